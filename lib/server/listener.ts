import { createServer, type Server } from 'node:tls'
import type { TokenError } from '../errors/token-error'
import { MAX_DELAY } from '../options/checks'
import { nextTick } from '../runtime/event-loop'
import type { ServerCredentials } from './server-credentials'
import type { ServerSettings } from './server-options'
import { isSocketFile, listenError, removeStaleSocket } from './stale-socket'

/** What a listener tells its server. */
export interface ListenerEvents {
  onListening(): void
  /** It can't listen. */
  onFailed(error: TokenError): void
  /** One client could not be accepted, because the operating system had no socket for it. */
  onAcceptFailed(error: Error): void
  /** All raw sockets are gone. */
  onClosed(): void
}

/** Seconds for which a TLS ticket is good: only a full handshake notices that a CA has ended since. */
const SESSION_TIMEOUT = 300

/** A server of Node, which listens once. */
export class Listener {
  readonly server: Server
  readonly #where: ServerSettings['listen']
  readonly #events: ListenerEvents
  #hasLookedAtPath = false
  #isListening = false
  #isClosed = false

  /** @param protocols names for ALPN, the preferred first */
  constructor(
    { tls, listen }: ServerSettings,
    credentials: ServerCredentials,
    protocols: readonly string[],
    events: ListenerEvents
  ) {
    this.#where = listen
    this.#events = events
    const server = createServer({
      sessionTimeout: SESSION_TIMEOUT,
      ...credentials.tlsOptions,
      requestCert: tls.requestCert ?? true,
      // Node would refuse without a word. The handshake succeeds, and LiveTrust judges.
      rejectUnauthorized: false,
      // Node would keep a copy of ALPNProtocols for each socket.
      ALPNCallback: offered => protocols.find(name => offered.protocols.includes(name)),
      // Node's own does not forgive a blocked process: PendingClients counts.
      handshakeTimeout: MAX_DELAY
    })
    server.on('listening', () => this.#listening())
    server.on('error', error => this.#failed(error))
    server.on('close', () => events.onClosed())
    this.server = server
  }

  listen(): void {
    try {
      // Node writes into what it is given.
      this.server.listen({ ...this.#where })
    } catch (error) {
      nextTick(() => this.#failed(error as Error))
    }
  }

  /** Listens no more, nor will it. */
  close(): void {
    this.#isClosed = true
    if (this.#isListening) this.server.close()
  }

  #listening(): void {
    // Node binds even if close() came while the host name was looked up.
    if (this.#isClosed) {
      this.server.close()
      return
    }
    this.#isListening = true
    this.#events.onListening()
  }

  /** An accept that failed (EMFILE and the like) is the end of one client, any other error that of the server. */
  #failed(error: NodeJS.ErrnoException): void {
    if (error.syscall === 'accept') {
      this.#events.onAcceptFailed(error)
      return
    }
    const { path } = this.#where
    if (error.code === 'EADDRINUSE' && !this.#hasLookedAtPath && isSocketFile(path)) {
      this.#hasLookedAtPath = true
      removeStaleSocket(path, obstacle => {
        if (this.#isClosed) return
        if (obstacle === null) this.listen()
        else this.#events.onFailed(listenError(this.#where, error, obstacle))
      })
    } else this.#events.onFailed(listenError(this.#where, error, null))
  }
}
