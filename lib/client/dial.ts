import type { X509Certificate } from 'node:crypto'
import tls, { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { SocketReads } from '../connection/socket-reads'
import { codeOf, dialError } from '../errors/socket-error'
import { TokenError } from '../errors/token-error'
import { untrustedServer } from '../errors/trust-errors'
import { type ClockTimer, clock } from '../runtime/clock'
import { nextTick } from '../runtime/event-loop'
import { PatientDeadline } from '../runtime/patient-deadline'
import { checkTrust, distrust, type TrustFailure } from '../tls/check-trust'
import { knownCertificates } from '../tls/known-certificates'
import { certificateOf, peerChain } from '../tls/peer'
import { type UntrustedPeer, whyUntrusted } from '../tls/why-untrusted'

/** What a later dial needs to resume a TLS session. */
export interface Ticket {
  readonly session: Buffer
  /** The server's certificate of the full handshake: Node does not know it of a resumed session. */
  readonly certificate: X509Certificate | undefined
  /** Why the full handshake did not trust the server: a resumed one doesn't look at its name again. */
  readonly failure: TrustFailure | null
}

/** What a dial tells its client: one of the first two, once. */
export interface DialEvents {
  /** TLS is up and the server is trusted. @param timeLeft milliseconds of `connectTimeout`; Infinity when it is off */
  onSocket(socket: TLSSocket, certificate: X509Certificate | undefined, timeLeft: number): void
  onFailed(error: TokenError): void
  /** A ticket with which the next dial to this server can resume. */
  onTicket(ticket: Ticket): void
}

export interface DialTimes {
  /** Milliseconds for the name, TCP and TLS together. */
  readonly connectTimeout: number
  /** Milliseconds in which a refused TCP connection is tried again. */
  readonly refusedRetryTimeout: number
}

/**
 * Milliseconds that one of several addresses of a name gets at most, and its part of `connectTimeout`. Node's own 250 ms
 * would cut a distant server at every dial.
 */
const ADDRESS_TIMEOUT = 2_500
const ADDRESS_PART = 1 / 4

const REFUSED_RETRY_INTERVAL = 25

/** One attempt to reach a server, from the name to the end of the TLS handshake. */
export class Dial {
  readonly #options: ConnectionOptions
  readonly #ticket: Ticket | undefined
  readonly #times: DialTimes
  readonly #trust: UntrustedPeer['trust']
  readonly #events: DialEvents
  /** Node tells us, and doesn't refuse by itself: it would throw away the server's certificates, of which the error tells. */
  readonly #refuses: boolean
  readonly #deadline: PatientDeadline
  readonly #begun = clock.now()
  #socket: TLSSocket | null = null
  #retry: ClockTimer | null = null
  #isOver = false
  /** What `checkServerIdentity` has given. */
  #identityError: Error | undefined

  /**
   * Begins at once; the events come in a later tick.
   *
   * @param trust whom the context in the options trusts, for messages
   */
  constructor(
    options: ConnectionOptions,
    ticket: Ticket | undefined,
    times: DialTimes,
    trust: UntrustedPeer['trust'],
    events: DialEvents
  ) {
    const { checkServerIdentity = tls.checkServerIdentity } = options
    this.#options = {
      autoSelectFamilyAttemptTimeout: addressTimeout(times.connectTimeout),
      ...options,
      rejectUnauthorized: false,
      checkServerIdentity: (host, certificate) => {
        this.#identityError = checkServerIdentity(host, certificate)
        return this.#identityError
      },
      ...(ticket && { session: ticket.session })
    } as ConnectionOptions
    this.#refuses = options.rejectUnauthorized !== false
    this.#ticket = ticket
    this.#trust = trust
    this.#times = times
    this.#events = events
    this.#deadline = new PatientDeadline(times.connectTimeout, () => this.#expired())
    this.#deadline.arm()
    this.#try()
  }

  /** Where it dials, for messages. */
  get target(): string {
    const { socket, path, host, port } = this.#options
    if (socket !== undefined) return `${host ?? 'localhost'} over option socket`
    return path ?? `${host ?? 'localhost'}:${port}`
  }

  /** Gives up; no event comes any more. */
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
      // TLS would wait for it for ever.
      throw Object.assign(new Error('The socket is closed'), { code: 'ERR_SOCKET_CLOSED' })
    }
    // Only over TCP does TLS read into given memory.
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
    // Node does not look at the dates of a resumed session.
    const failure = ticket?.failure ?? checkTrust(socket, new Date(), certificate)
    if (failure !== null && this.#refuses) {
      this.#giveUp(this.#untrusted(socket, failure, certificate))
      return
    }
    if (failure !== null) distrust(socket, failure.reason)
    else if (certificate !== undefined) knownCertificates.keep(certificate)
    this.#isOver = true
    const { timeLeft } = this.#deadline
    this.#deadline.clear()
    // A ticket comes after `secureConnect`.
    socket.on('session', session => this.#events.onTicket({ session, certificate, failure }))
    this.#events.onSocket(socket, certificate, timeLeft)
  }

  /** A resumed session knows no chain. */
  #untrusted(
    socket: TLSSocket,
    { reason }: TrustFailure,
    certificate: X509Certificate | undefined
  ): TokenError {
    const { host, servername = host } = this.#options
    const cause =
      this.#identityError ?? Object.assign(new Error(`its certificate: ${reason}`), { code: reason })
    const code = codeOf(cause)
    const chain = socket.isSessionReused() ? [certificate].flatMap(one => one ?? []) : peerChain(socket)
    const peer = { role: 'server', chain, trust: this.#trust, now: new Date(), host: servername } as const
    return untrustedServer(this.target, whyUntrusted(code, peer), { cause })
  }

  #failed(cause: Error, isTcpOpen: boolean): void {
    if (this.#isOver) return
    const isInTime = clock.now() - this.#begun < this.#times.refusedRetryTimeout
    if (!isTcpOpen && isInTime && isRefused(cause)) {
      this.#retry = clock.setTimeout(() => this.#try(), REFUSED_RETRY_INTERVAL)
    } else {
      this.#giveUp(dialError(cause, this.target, isTcpOpen))
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

/** True when nobody listens there yet: all addresses refused, or the Unix path is not there. */
function isRefused(cause: Error): boolean {
  const code = codeOf(cause)
  return code === 'ECONNREFUSED' || code === 'ENOENT'
}

function addressTimeout(connectTimeout: number): number {
  return Math.ceil(Math.min(ADDRESS_TIMEOUT, connectTimeout * ADDRESS_PART || ADDRESS_TIMEOUT))
}
