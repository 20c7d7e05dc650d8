import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { wrongOption } from '../errors/service-error'
import {
  type Checks,
  checkOptions,
  isEither,
  isFunction,
  isText,
  isWait,
  listOf,
  needed,
  only,
  wholeNumber
} from '../options/check-options'

/** Who is served at one path by WebSocket. */
export interface WebSocketPath {
  /** Gets each WebSocket; its `error` has a listener already, and is followed by `close`. */
  readonly onConnection: (socket: WebSocket, request: IncomingMessage) => void
  /** Subprotocols, the preferred first. A client that offers none of them is refused. Default: none is spoken. */
  readonly protocols?: readonly string[] | undefined
  /** Bytes of a message. Default 1 MiB. */
  readonly maxPayloadBytes?: number | undefined
  /**
   * From which pages a browser may connect: `same`: from the host that it connects to; a list of origins; `*`: from any.
   * Programs that are no browsers say no origin, and may. Default `same`.
   */
  readonly origins?: 'same' | '*' | readonly string[] | undefined
  /** Milliseconds between pings; a client that has not answered one before the next is cut. Default 30,000; 0: never. */
  readonly heartbeatInterval?: number | undefined
  /** WebSockets of this path at once. Default 10,000. */
  readonly maxConnections?: number | undefined
}

const CHECKS: Checks<WebSocketPath> = {
  onConnection: needed(isFunction),
  protocols: listOf(isText),
  maxPayloadBytes: wholeNumber(1),
  origins: isEither(only('same', '*'), listOf(isText)),
  heartbeatInterval: isWait,
  maxConnections: wholeNumber(1)
}

const CLOSE_GOING_AWAY = 1001

/** The pings of an interval are made in so many turns: those of 10,000 WebSockets at once would hold up everybody else. */
const PING_TURNS = 30

/** Frames of one message. Each costs memory beside its bytes, and may have a single one. */
const MAX_FRAGMENTS = 1_024

/** Pieces in which a frame may come from the network: likewise. */
const MAX_CHUNKS = 8_192

/** Takes the upgrades of an HTTP server. */
export class WebSockets {
  readonly #paths = new Map<string, Endpoint>()

  constructor(paths: Readonly<Record<string, WebSocketPath>>) {
    for (const [path, options] of Object.entries(paths)) {
      checkOptions(options, CHECKS, wrongOption, `webSockets['${path}']`)
      this.#paths.set(path, new Endpoint(options))
    }
  }

  /** WebSockets that are open. */
  get size(): number {
    let size = 0
    for (const endpoint of this.#paths.values()) size += endpoint.size
    return size
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const endpoint = this.#paths.get(pathOf(request))
    if (endpoint === undefined) refuse(socket, 404, 'Not Found')
    else endpoint.upgrade(request, socket, head)
  }

  /** Says to each that the server goes away; what is left when the signal aborts is cut. Resolves when none is left. */
  async close(signal: AbortSignal): Promise<void> {
    await Promise.all([...this.#paths.values()].map(endpoint => endpoint.close(signal)))
  }
}

/** The WebSockets of one path. */
class Endpoint {
  readonly #options: WebSocketPath
  readonly #server: WebSocketServer
  /** Those that have not answered the last ping. */
  readonly #silent = new WeakSet<WebSocket>()
  /** Each turn has its own, about as many as every other. */
  readonly #turns = Array.from({ length: PING_TURNS }, () => new Set<WebSocket>())
  #opened = 0
  #turn = 0
  readonly #heartbeat: NodeJS.Timeout | undefined

  constructor(options: WebSocketPath) {
    this.#options = options
    const { maxPayloadBytes = 1_048_576, heartbeatInterval = 30_000, protocols = [] } = options
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: true,
      perMessageDeflate: false,
      maxPayload: maxPayloadBytes,
      maxFragments: MAX_FRAGMENTS,
      maxBufferedChunks: MAX_CHUNKS,
      handleProtocols: offered => protocols.find(name => offered.has(name)) ?? false
    })
    if (heartbeatInterval > 0)
      this.#heartbeat = setInterval(() => this.#ping(), heartbeatInterval / PING_TURNS).unref()
  }

  get size(): number {
    return this.#server.clients.size
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { maxConnections = 10_000, origins = 'same', protocols, onConnection } = this.#options
    if (this.size >= maxConnections) refuse(socket, 503, 'Service Unavailable')
    else if (!isAllowed(request, origins)) refuse(socket, 403, 'Forbidden')
    else if (protocols !== undefined && !offers(request, protocols)) refuse(socket, 400, 'Bad Request')
    else
      this.#server.handleUpgrade(request, socket, head, webSocket => {
        // A client that breaks the protocol is closed by ws itself.
        webSocket.on('error', ignore)
        webSocket.on('pong', () => this.#silent.delete(webSocket))
        const turn = this.#turns[this.#opened++ % PING_TURNS]
        turn?.add(webSocket)
        webSocket.once('close', () => turn?.delete(webSocket))
        onConnection(webSocket, request)
      })
  }

  async close(signal: AbortSignal): Promise<void> {
    clearInterval(this.#heartbeat)
    const open = [...this.#server.clients]
    const gone = Promise.all(open.map(socket => new Promise(resolve => socket.once('close', resolve))))
    const cut = () => {
      for (const socket of open) socket.terminate()
    }
    for (const socket of open) socket.close(CLOSE_GOING_AWAY, 'the server goes away')
    if (signal.aborted) cut()
    else signal.addEventListener('abort', cut, { once: true })
    await gone
    signal.removeEventListener('abort', cut)
    this.#server.close()
  }

  #ping(): void {
    for (const socket of this.#turns[this.#turn++ % PING_TURNS] ?? []) {
      if (this.#silent.has(socket)) {
        socket.terminate()
        continue
      }
      this.#silent.add(socket)
      socket.ping()
    }
  }
}

function pathOf({ url = '/' }: IncomingMessage): string {
  const end = url.indexOf('?')
  return end < 0 ? url : url.slice(0, end)
}

/** RFC 6455, 10.2: only a browser says from which page it comes, and it can't be made to lie. */
function isAllowed({ headers }: IncomingMessage, origins: NonNullable<WebSocketPath['origins']>): boolean {
  const { origin, host } = headers
  if (origin === undefined || origins === '*') return true
  if (origins === 'same') return URL.canParse(origin) && new URL(origin).host === host?.toLowerCase()
  return origins.includes(origin)
}

function offers({ headers }: IncomingMessage, protocols: readonly string[]): boolean {
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map(name => name.trim())
  return protocols.some(name => offered.includes(name))
}

export function refuse(socket: Duplex, status: number, words: string): void {
  socket.on('error', ignore)
  socket.end(`HTTP/1.1 ${status} ${words}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () =>
    socket.destroy()
  )
}

function ignore(): void {}
