import type { X509Certificate } from 'node:crypto'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { SocketReads } from '../connection/socket-reads'
import { codeOf, dialError } from '../errors/socket-error'
import { TokenError } from '../errors/token-error'
import { untrustedServer } from '../errors/trust-errors'
import { type ClockTimer, clock } from '../runtime/clock'
import { nextTick } from '../runtime/event-loop'
import { PatientDeadline } from '../runtime/patient-deadline'
import { checkTrust, distrust, type TrustFailure } from '../tls/check-trust'
import { knownCertificates } from '../tls/known-certificates'
import { certificateOf } from '../tls/peer'

/** What a later dial needs to resume a TLS session. */
export interface Ticket {
  readonly session: Buffer
  /** The server's, of the full handshake: Node does not know it of a resumed session. */
  readonly certificate: X509Certificate | undefined
  /** What the full handshake said of the server: a resumed one doesn't look at its name again. */
  readonly failure: TrustFailure | null
}

/** What a dial tells its client: one of the first two, once. */
export interface DialEvents {
  /** TLS is up and the server is trusted. */
  onSocket(socket: TLSSocket, certificate: X509Certificate | undefined): void
  onFailed(error: TokenError): void
  /** A ticket with which the next dial to this server can resume. */
  onTicket(ticket: Ticket): void
}

/** How long a dial may take. */
export interface DialTimes {
  /** Milliseconds for the name, TCP and TLS together. */
  readonly connectTimeout: number
  /** Milliseconds in which a refused TCP connection is tried again. */
  readonly refusedRetryTimeout: number
}

/**
 * Milliseconds that one of several addresses of a name is given at most, and its part of `connectTimeout`. Node's
 * own 250 ms cut a working but distant server, and at every dial anew.
 */
const ADDRESS_TIMEOUT = 2_500
const ADDRESS_PART = 1 / 4

/** Milliseconds between two tries of a refused dial. */
const REFUSED_RETRY_INTERVAL = 25

/** One attempt to reach a server, from the name to the end of the TLS handshake. */
export class Dial {
  readonly #options: ConnectionOptions
  readonly #ticket: Ticket | undefined
  readonly #times: DialTimes
  readonly #events: DialEvents
  readonly #deadline: PatientDeadline
  readonly #begun = clock.now()
  #timeLeft = Infinity
  #socket: TLSSocket | null = null
  #retry: ClockTimer | null = null
  #isOver = false

  /** Begins at once; the events come in a later tick. */
  constructor(options: ConnectionOptions, ticket: Ticket | undefined, times: DialTimes, events: DialEvents) {
    this.#options = {
      autoSelectFamilyAttemptTimeout: addressTimeout(times.connectTimeout),
      ...options,
      ...(ticket && { session: ticket.session })
    } as ConnectionOptions
    this.#ticket = ticket
    this.#times = times
    this.#events = events
    this.#deadline = new PatientDeadline(times.connectTimeout, () => this.#expired())
    this.#deadline.arm()
    this.#try()
  }

  /** Milliseconds of `connectTimeout` that were left when TLS was up; Infinity when it is off. */
  get timeLeft(): number {
    return this.#timeLeft
  }

  /** Where to, for messages. */
  get target(): string {
    const { socket, path, host, port } = this.#options
    if (socket !== undefined) return `${host ?? 'localhost'} over option socket`
    return path ?? `${host ?? 'localhost'}:${port}`
  }

  /** Gives up without a word. */
  cancel(): void {
    this.#isOver = true
    this.#deadline.clear()
    if (this.#retry !== null) clock.clearTimeout(this.#retry)
    this.#socket?.on('error', () => {})
    this.#socket?.destroy()
  }

  #try(): void {
    let isTcpOpen = false
    const failed = (cause: Error) => this.#failed(cause, isTcpOpen)
    try {
      const socket = this.#connect()
      this.#socket = socket
      socket.once('connect', () => {
        isTcpOpen = true
      })
      socket.on('error', failed)
      socket.once('secureConnect', () => {
        socket.removeListener('error', failed)
        this.#secured(socket)
      })
    } catch (cause) {
      nextTick(failed, cause)
    }
  }

  #connect(): TLSSocket {
    const { socket: given } = this.#options
    if (given?.destroyed) {
      // TLS would wait for it.
      throw Object.assign(new Error('The socket is closed'), { code: 'ERR_SOCKET_CLOSED' })
    }
    // Over another stream TLS gives `data`.
    if (given !== undefined) return connect(this.#options)
    const reads = new SocketReads()
    const socket = connect({ ...this.#options, onread: reads.onread } as ConnectionOptions)
    reads.own(socket)
    return socket
  }

  #secured(socket: TLSSocket): void {
    if (this.#isOver) return
    const ticket = socket.isSessionReused() ? this.#ticket : undefined
    const certificate = ticket === undefined ? certificateOf(socket) : ticket.certificate
    // A resumed session skips Node's own look at the dates.
    const failure = ticket?.failure ?? checkTrust(socket, new Date(), certificate)
    if (failure !== null && this.#options.rejectUnauthorized !== false) {
      this.#giveUp(untrustedServer(this.target, failure.reason))
      return
    }
    if (failure !== null) distrust(socket, failure.reason)
    else if (certificate !== undefined) knownCertificates.keep(certificate)
    this.#isOver = true
    this.#timeLeft = this.#deadline.timeLeft
    this.#deadline.clear()
    // It comes after `secureConnect`.
    socket.on('session', session => this.#events.onTicket({ session, certificate, failure }))
    this.#events.onSocket(socket, certificate)
  }

  #failed(cause: Error, isTcpOpen: boolean): void {
    if (this.#isOver) return
    const isInTime = clock.now() - this.#begun < this.#times.refusedRetryTimeout
    if (!isTcpOpen && isInTime && isRefused(cause)) {
      this.#retry = clock.setTimeout(() => this.#try(), REFUSED_RETRY_INTERVAL)
    } else {
      this.#giveUp(dialError(cause, this.target, isTcpOpen, Boolean(this.#socket?.authorizationError)))
    }
  }

  #expired(): void {
    const { connectTimeout } = this.#times
    const message = `Cannot connect to ${this.target}: it took longer than connectTimeout, ${connectTimeout} ms`
    this.#giveUp(new TokenError('ERR_CONNECT_TIMEOUT', message))
  }

  #giveUp(error: TokenError): void {
    this.cancel()
    this.#events.onFailed(error)
  }
}

/** Nobody listens there yet: every address tried refused, or the Unix path is not there. */
function isRefused(cause: Error): boolean {
  const code = codeOf(cause)
  return code === 'ECONNREFUSED' || code === 'ENOENT'
}

function addressTimeout(connectTimeout: number): number {
  return Math.ceil(Math.min(ADDRESS_TIMEOUT, connectTimeout * ADDRESS_PART || ADDRESS_TIMEOUT))
}
