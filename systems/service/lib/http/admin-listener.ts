import { createHash, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, isIP } from 'node:net'
import type { Registry } from 'prom-client'
import { ServiceError } from '../errors/service-error'
import { healthRoutes, type Route } from '../health/health-routes'
import type { Readiness } from '../health/readiness'
import { type Fetch, requestListener } from './http-door'

export interface AdminOptions {
  /** Default 127.0.0.1. Any other than this machine's own needs `token`. */
  readonly host?: string | undefined
  /** 0 takes a free one. */
  readonly port: number
  /** Is demanded of everybody, but for `/health` and `/ready`: as a bearer token, or as the password that a browser asks for. */
  readonly token?: string | undefined
  readonly readiness: Readiness
  readonly metrics: Registry
  /** Serves all other paths, a status page, say. */
  readonly fetch?: Fetch | undefined
  /** Somebody has shown another token. Default: nobody is notified. */
  readonly onWrongToken?: ((address: string | undefined) => void) | undefined
}

const LOOPBACK_NAMES: readonly string[] = ['localhost', '127.0.0.1', '::1']

/**
 * The listener for whoever runs the service: plain HTTP with `/health`, `/ready` with its reasons, `/metrics` for Prometheus,
 * and the pages of the system.
 *
 * @throws (rejects) ServiceError `ERR_ADMIN`
 */
export async function listenForAdmin(options: AdminOptions): Promise<AdminListener> {
  const { host = '127.0.0.1', port, token } = options
  const name = bare(host)
  if (token === undefined && !LOOPBACK_NAMES.includes(name)) {
    const message = `Cannot listen for the admin: ${host} is not this machine alone, and there is no token`
    throw new ServiceError('ERR_ADMIN', message)
  }
  const listener = new AdminListener(options)
  try {
    listener.server.listen({ host: name, port })
    await once(listener.server, 'listening')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new ServiceError('ERR_ADMIN', `Cannot listen for the admin at ${host}, port ${port}: ${code}`, {
      cause
    })
  }
  listener.server.on('error', () => {})
  return listener
}

export class AdminListener {
  readonly server: Server
  readonly #options: AdminOptions
  readonly #token: Buffer | null
  readonly #open: ReadonlyMap<string, Route>
  readonly #app: Route | undefined

  constructor(options: AdminOptions) {
    this.#options = options
    this.#token = options.token === undefined ? null : hash(options.token)
    this.#open = healthRoutes(options.readiness, true)
    this.#app = options.fetch && requestListener(options.fetch)
    this.server = createServer({ headersTimeout: 5_000, requestTimeout: 10_000, maxHeaderSize: 16_384 })
    this.server.maxConnections = 100
    this.server.on('request', (request, response) => this.#answer(request, response))
  }

  get address(): AddressInfo {
    return this.server.address() as AddressInfo
  }

  async close(): Promise<void> {
    const closed = once(this.server, 'close')
    this.server.close()
    this.server.closeAllConnections()
    await closed
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { url = '/' } = request
    response.setHeader('x-content-type-options', 'nosniff')
    response.setHeader('x-frame-options', 'DENY')
    response.setHeader('referrer-policy', 'no-referrer')
    response.setHeader('cache-control', 'no-store')
    const route = this.#open.get(url)
    if (this.#token === null && !isForThisMachine(request)) end(response, 403)
    else if (route !== undefined) route(request, response)
    else if (!this.#isAllowed(request)) {
      // A browser asks for the password then; its first request has none.
      if (request.headers.authorization !== undefined)
        this.#options.onWrongToken?.(request.socket.remoteAddress)
      response.setHeader('www-authenticate', 'Basic realm="admin", charset="UTF-8"')
      end(response, 401, 'The password is the token of the admin; the user name does not matter.\n')
    } else if (url === '/metrics') void this.#answerMetrics(response)
    else if (this.#app !== undefined) this.#app(request, response)
    else end(response, 404)
  }

  async #answerMetrics(response: ServerResponse): Promise<void> {
    const { metrics } = this.#options
    try {
      const text = await metrics.metrics()
      response.writeHead(200, { 'content-type': metrics.contentType }).end(text)
    } catch {
      end(response, 500)
    }
  }

  /** In the same time whatever is wrong with what was given. */
  #isAllowed({ headers: { authorization = '' } }: IncomingMessage): boolean {
    if (this.#token === null) return true
    const [, scheme = '', given = ''] = /^(bearer|basic) +(\S+)$/i.exec(authorization) ?? []
    return timingSafeEqual(hash(scheme.toLowerCase() === 'basic' ? passwordIn(given) : given), this.#token)
  }
}

/** A page elsewhere can make its own name point here (DNS rebinding), but then the browser says that name. */
function isForThisMachine({ headers: { host = '' } }: IncomingMessage): boolean {
  const name = bare(host.replace(/:\d*$/, '')).toLowerCase()
  return LOOPBACK_NAMES.includes(name) || isIP(name) !== 0
}

function bare(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
}

function passwordIn(base64: string): string {
  const text = Buffer.from(base64, 'base64').toString()
  return text.slice(text.indexOf(':') + 1)
}

function hash(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function end(response: ServerResponse, status: number, words = ''): void {
  response
    .writeHead(status, { 'content-type': 'text/plain', 'content-length': Buffer.byteLength(words) })
    .end(words)
}
