import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { getRequestListener, RequestError } from '@hono/node-server'
import { wrongOption } from '../errors/service-error'
import type { Route } from '../health/health-routes'
import {
  type Checks,
  checkOptions,
  isFunction,
  isObject,
  isWait,
  wholeNumber
} from '../options/check-options'
import { refuse, type WebSocketPath, WebSockets } from './web-sockets'

/** What serves a request, such as `app.fetch` of Hono (where `env` is `c.env`). `env.incoming.socket` is the TLS socket. */
export type Fetch = (
  request: Request,
  env: { incoming: IncomingMessage; outgoing: ServerResponse }
) => Response | Promise<Response>

/** Limits of HTTP, each finite. */
export interface HttpLimits {
  /** Milliseconds until all headers of a request are there. Default 10,000. */
  readonly headersTimeout?: number | undefined
  /** Milliseconds until all of a request is there. Default 60,000. */
  readonly requestTimeout?: number | undefined
  /** Milliseconds between two requests. Default 5,000. */
  readonly keepAliveTimeout?: number | undefined
  /** Bytes of the headers of a request together. Default 16 KiB. */
  readonly maxHeaderBytes?: number | undefined
  /** Headers of a request. Default 100. */
  readonly maxHeaders?: number | undefined
}

export interface HttpDoorOptions {
  /** Default: nothing is there, 404. */
  readonly fetch?: Fetch | undefined
  /** By path. */
  readonly webSockets?: Readonly<Record<string, WebSocketPath>> | undefined
  /** Asked of each socket, before anything is read of it. False: it was destroyed. Default: all are taken. */
  readonly admit?: ((socket: Socket) => boolean) | undefined
  /** What `fetch` has thrown, which is a 500 for the client. Default: nobody is told. */
  readonly onError?: ((error: unknown) => void) | undefined
  readonly limits?: HttpLimits | undefined
  /** Are asked before `fetch`, by the path as it was sent. */
  readonly routes?: ReadonlyMap<string, Route> | undefined
}

/** But for `routes`. */
export const HTTP_CHECKS: Checks<Omit<HttpDoorOptions, 'routes'>> = {
  fetch: isFunction,
  webSockets: isObject,
  admit: isFunction,
  onError: isFunction,
  limits: {
    headersTimeout: isWait,
    requestTimeout: isWait,
    keepAliveTimeout: isWait,
    maxHeaderBytes: wholeNumber(1),
    maxHeaders: wholeNumber(1)
  } satisfies Checks<HttpLimits>
}

const CHECKS: Checks<HttpDoorOptions> = {
  ...HTTP_CHECKS,
  routes: value => (value instanceof Map ? undefined : 'no Map')
}

/** How often Node looks for requests that are too slow, milliseconds. */
const LOOK_INTERVAL = 1_000

/** How often a door that closes looks for connections whose last request is answered, milliseconds. */
const IDLE_INTERVAL = 50

/** Serves HTTP/1.1 and WebSocket on sockets that somebody else has accepted. */
export class HttpDoor {
  readonly server: Server
  readonly #webSockets: WebSockets
  readonly #answered = [0, 0, 0, 0, 0, 0]
  /** Those that speak HTTP. */
  readonly #sockets = new Set<Socket>()
  readonly #admit: (socket: Socket) => boolean
  #isClosing = false
  #onEmpty: (() => void) | null = null

  /** @throws ServiceError `ERR_OPTION` */
  constructor(options: HttpDoorOptions) {
    checkOptions(options, CHECKS, wrongOption)
    const { limits = {}, routes, fetch, admit = () => true } = options
    this.#admit = admit
    const server = createServer({
      headersTimeout: limits.headersTimeout ?? 10_000,
      requestTimeout: limits.requestTimeout ?? 60_000,
      keepAliveTimeout: limits.keepAliveTimeout ?? 5_000,
      maxHeaderSize: limits.maxHeaderBytes ?? 16_384,
      connectionsCheckingInterval: LOOK_INTERVAL
    })
    const { maxHeaders = 100 } = limits
    // Node leaves out what is above it without a word, and a proxy might see what we don't: one more tells.
    server.maxHeadersCount = maxHeaders + 1
    this.server = server
    this.#webSockets = new WebSockets(options.webSockets ?? {})
    const app = fetch && requestListener(fetch, options.onError)
    server.on('request', (request, response) => {
      response.once('close', () => this.#count(response))
      if (this.#isClosing) response.setHeader('connection', 'close')
      const route = routes?.get(request.url ?? '')
      if (request.rawHeaders.length > 2 * maxHeaders) end(response, 431)
      else if (route !== undefined) route(request, response)
      else if (app === undefined) end(response, 404)
      else app(request, response)
    })
    server.on('upgrade', (request, socket, head) => {
      if (request.rawHeaders.length > 2 * maxHeaders) {
        this.#left(socket as Socket)
        refuse(socket, 431, 'Request Header Fields Too Large')
      } else this.#upgrade(request, socket, head)
    })
    // It never listens: without this Node enforces neither headersTimeout nor requestTimeout.
    server.emit('listening')
  }

  /** WebSockets that are open. */
  get openWebSockets(): number {
    return this.#webSockets.size
  }

  /** Requests that were answered since the start, by the class of the status: `2xx` and so on. */
  get answered(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#answered.map((count, hundred) => [`${hundred}xx`, count]).slice(1))
  }

  /** Takes a socket that was accepted. */
  readonly handler = (socket: Socket): void => {
    if (this.#isClosing) {
      socket.destroy()
      return
    }
    if (!this.#admit(socket)) return
    this.#sockets.add(socket)
    socket.once('close', () => this.#left(socket))
    this.server.emit('connection', socket)
  }

  /**
   * Answers the requests that have begun, says goodbye to WebSockets, and takes no more of either. What is left when the signal
   * aborts is cut.
   */
  async close(signal: AbortSignal): Promise<void> {
    this.#isClosing = true
    const cut = () => this.server.closeAllConnections()
    if (signal.aborted) cut()
    else signal.addEventListener('abort', cut, { once: true })
    this.server.closeIdleConnections()
    const idle = setInterval(() => this.server.closeIdleConnections(), IDLE_INTERVAL)
    await Promise.all([this.#webSockets.close(signal), this.#empty()])
    clearInterval(idle)
    signal.removeEventListener('abort', cut)
    // Ends what looks for slow requests. That it never listened is an error to Node.
    this.server.close(() => {})
  }

  /** A client that has left before is no answer. */
  #count({ statusCode, headersSent }: ServerResponse): void {
    const hundred = Math.floor(statusCode / 100)
    if (headersSent) this.#answered[hundred] = (this.#answered[hundred] ?? 0) + 1
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#left(socket as Socket)
    if (this.#isClosing) socket.destroy()
    else this.#webSockets.upgrade(request, socket, head)
  }

  #left(socket: Socket): void {
    this.#sockets.delete(socket)
    if (this.#sockets.size === 0) this.#onEmpty?.()
  }

  /** Node counts the connections of a server that listens only. */
  #empty(): Promise<void> {
    return new Promise(resolve => {
      if (this.#sockets.size === 0) resolve()
      else this.#onEmpty = resolve
    })
  }
}

/** @param onError gets what `fetch` has thrown; the client gets 500 */
export function requestListener(fetch: Fetch, onError: (error: unknown) => void = () => {}): Route {
  const listener = getRequestListener(fetch as Parameters<typeof getRequestListener>[0], {
    overrideGlobalObjects: false,
    errorHandler: error => {
      if (error instanceof RequestError) return new Response(null, { status: 400 })
      onError(error)
      return new Response(null, { status: 500 })
    }
  })
  return (request, response) => void listener(request, response)
}

function end(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-length': 0, connection: 'close' }).end()
}
