import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { SecureContextOptions } from 'node:tls'
import { type Fetch, HttpDoor } from '@token-server/service'
import { TokenServer, type TokenServerOptions } from 'token-server'
import type { WebSocket } from 'ws'
import { RemoteError } from '../errors/remote-error'
import type { Link } from '../link/link'
import { WEB_SOCKET_PATH } from '../transport/address'
import { NUMBER_LENGTH } from '../transport/frame-order'
import { LINK_LIMITS, type LinkLimits } from '../transport/link-limits'
import { TokenServerLink } from '../transport/node-token-link'
import { NodeWebSocketLink } from '../transport/node-web-socket'
import { LEAVING, type Visitor, type VisitorLimits, type Visitors } from './visitors'

/** A certificate, and its key: then it is wss, tokens and https on the one port. */
export interface HostTls
  extends Pick<SecureContextOptions, 'key' | 'cert' | 'ca' | 'passphrase' | 'minVersion'> {
  /** Whether clients over tokens need a certificate that `ca` has signed. Default: where there is a `ca`. */
  readonly requestCert?: boolean
}

export interface HostListenerOptions extends VisitorLimits {
  /** Default 8080. */
  readonly port?: number | undefined
  /** Default 127.0.0.1: nobody but this machine. */
  readonly host?: string | undefined
  readonly tls?: HostTls | undefined
  /** From which pages a browser may connect; `*`: from all. Default: from those of this port. */
  readonly origins?: '*' | readonly string[] | undefined
  readonly limits?: Partial<LinkLimits> | undefined
}

/** What is done with those who come. */
export interface HostListenerEvents {
  readonly onLink: (link: Link, visitor: Visitor) => void
  readonly fetch: Fetch
  readonly visitors: Visitors
}

const DEFAULT_PORT = 8_080
const DEFAULT_HOST = '127.0.0.1'

const LISTEN_ERRORS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there',
  EACCES: 'the system does not let this program',
  EADDRNOTAVAIL: 'this machine has no such address',
  ENOTFOUND: 'this machine has no such address'
}

/** Milliseconds until a client must have said which protocol it speaks, TLS included. */
const HANDSHAKE_TIMEOUT = 5_000

/** Where a device listens itself: for WebSockets, and with a certificate for tokens and HTTPS on the same port. */
export class HostListener {
  readonly #door: HttpDoor
  readonly #server: Server | TokenServer

  private constructor(door: HttpDoor, server: Server | TokenServer) {
    this.#door = door
    this.#server = server
  }

  /** @throws (rejects) RemoteError `invalid`, reason `cannot-listen` */
  static async open(options: HostListenerOptions, events: HostListenerEvents): Promise<HostListener> {
    try {
      return await HostListener.#open(options, events)
    } catch (error) {
      throw cannotListen(options, error as NodeJS.ErrnoException)
    }
  }

  static async #open(
    options: HostListenerOptions,
    { onLink, fetch, visitors }: HostListenerEvents
  ): Promise<HostListener> {
    const { port = DEFAULT_PORT, host = DEFAULT_HOST, tls, origins } = options
    const limits = { ...LINK_LIMITS, ...options.limits }
    const maxConnections = visitors.limits.maxConnections + LEAVING
    const webSocket = {
      onConnection: (socket: WebSocket, { socket: accepted }: IncomingMessage) => {
        const visitor = visitors.of(accepted)
        if (visitor === undefined) socket.terminate()
        else onLink(new NodeWebSocketLink(socket, limits, accepted), visitor)
      },
      maxPayloadBytes: limits.maxFrameBytes,
      maxConnections,
      heartbeatInterval: limits.heartbeat,
      origins: origins ?? ('same' as const)
    }
    // The first is where clients of before look.
    const door = new HttpDoor({
      fetch,
      webSockets: { '/': webSocket, [WEB_SOCKET_PATH]: webSocket },
      admit: socket => visitors.enter(socket) !== undefined
    })
    if (tls === undefined) {
      const server = createServer(socket => {
        socket.setNoDelay()
        door.handler(socket)
      })
      server.listen(port, host)
      await once(server, 'listening')
      return new HostListener(door, server)
    }
    const server = new TokenServer({
      requestCert: tls.ca !== undefined,
      ...(tls as TokenServerOptions),
      port,
      host,
      protocol: 'token/2',
      maxConnections,
      maxStrangers: maxConnections,
      maxConnectionsPerAddress: maxConnections,
      maxConnectionsPerIdentity: maxConnections,
      maxPendingHandshakes: visitors.limits.maxUnproven,
      maxConnectRatePerAddress: visitors.limits.maxConnectRatePerAddress,
      handshakeTimeout: HANDSHAKE_TIMEOUT,
      maxTokenLength: limits.maxFrameBytes + NUMBER_LENGTH,
      outboxBytes: limits.maxBufferedBytes + limits.maxFrameBytes,
      highWaterMark: limits.highWaterBytes,
      heartbeat: limits.heartbeat,
      protocols: { 'http/1.1': { handler: door.handler, clientCertificate: 'optional' } }
    })
    // Of one connection; the others go on.
    server.on('error', () => {})
    server.on('connection', connection => {
      const visitor = visitors.enter(connection.socket as Socket)
      if (visitor !== undefined) onLink(new TokenServerLink(connection, limits), visitor)
    })
    await server.ready
    return new HostListener(door, server)
  }

  get address(): AddressInfo {
    return this.#server.address() as AddressInfo
  }

  /** Takes nobody new, and ends in order who is there; what is left after so many milliseconds is cut. */
  async close(timeout: number): Promise<void> {
    const server = this.#server
    if (server instanceof TokenServer) {
      server.close({ timeout })
      await Promise.all([this.#door.close(AbortSignal.timeout(timeout)), server.closed])
      return
    }
    const closed = once(server, 'close')
    server.close()
    await Promise.all([this.#door.close(AbortSignal.timeout(timeout)), closed])
  }
}

function cannotListen(
  { port = DEFAULT_PORT, host = DEFAULT_HOST }: HostListenerOptions,
  cause: NodeJS.ErrnoException
): RemoteError {
  const why = LISTEN_ERRORS[cause.code ?? ''] ?? cause.message
  return new RemoteError('invalid', `Cannot listen on port ${port} of ${host}: because ${why}`, {
    reason: 'cannot-listen',
    cause
  })
}
