import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import type { ClientSettings } from './client-options'
import type { TransportFacts } from './connection-context'
import { Dial, type DialEvents, type Ticket } from './dial'
import { TokenError } from './errors'
import type { Credentials } from './own-certificate'
import { peerFrom, presentedFingerprints } from './peer'
import { type ClientCredentials, clientCredentials } from './shared-context'

/** Dials the servers of a client in turn, each with the credentials of the moment and the last TLS ticket. */
export class Dialler {
  readonly #settings: ClientSettings
  readonly #tickets = new Map<number, Ticket>()
  #given: Credentials | null = null
  #credentials!: ClientCredentials
  #turn = 0

  /** @throws TokenError `ERR_OPTION` */
  constructor(settings: ClientSettings) {
    this.#settings = settings
    this.#readCredentials()
  }

  /** True when the first server is next: all were tried since it was dialled. */
  get hasComeRound(): boolean {
    return this.#turn === 0
  }

  get hasOtherServers(): boolean {
    return this.#settings.servers.length > 1
  }

  /** The next dial goes to the next server. */
  turn(): void {
    this.#turn = (this.#turn + 1) % this.#settings.servers.length
  }

  /** The next dial goes to the first server. */
  first(): void {
    this.#turn = 0
  }

  /**
   * @param refusedRetryTimeout milliseconds in which a refused dial is tried again
   * @throws TokenError `ERR_OPTION` when the credentials can't be read
   */
  dial(refusedRetryTimeout: number, events: Pick<DialEvents, 'onSocket' | 'onFailed'>): Dial {
    this.#readCredentials()
    const { tls, servers, policies, connectTimeout } = this.#settings
    const turn = this.#turn
    const options = {
      ...tls,
      ...servers[turn],
      secureContext: tls.secureContext ?? this.#credentials.context,
      rejectUnauthorized: tls.rejectUnauthorized ?? true,
      ALPNProtocols: policies.protocol === undefined ? ['token/2', 'token/1'] : [policies.protocol]
    }
    const times = { connectTimeout, refusedRetryTimeout }
    return new Dial(options, this.#tickets.get(turn), times, {
      onSocket: events.onSocket,
      onFailed: error => {
        if (error.code === 'ERR_CERTIFICATE') this.#tickets.delete(turn)
        events.onFailed(error)
      },
      onTicket: ticket => this.#tickets.set(turn, ticket)
    })
  }

  /** The next dial is a full handshake. */
  forgetTickets(): void {
    this.#tickets.clear()
  }

  /** What a connection has to know of a transport that was dialled. */
  factsOf(socket: TLSSocket, certificate: X509Certificate | undefined, timeLeft: number): TransportFacts {
    return {
      peer: certificate === undefined ? null : peerFrom(certificate, socket.authorized),
      ownFingerprints: this.#ownFingerprints(socket),
      greetingTimeout: timeLeft
    }
  }

  /** The socket has to say which it was when it came from elsewhere: another context, an engine. */
  #ownFingerprints(socket: TLSSocket): readonly Uint8Array[] {
    const { fingerprints } = this.#credentials
    const { tls, context } = this.#settings
    const isCertain =
      fingerprints.length > 0 && tls.secureContext === undefined && context.clientCertEngine === undefined
    return isCertain ? fingerprints : [...fingerprints, ...presentedFingerprints(socket)]
  }

  /** New keys void the tickets: a resumed connection would show the old certificate. */
  #readCredentials(): void {
    const { context } = this.#settings
    const { key, cert, ca } = context
    const given = attempt(() => ({ key: current(key), cert: current(cert), ca: current(ca) })) as Credentials
    const old = this.#given
    if (old !== null && (['key', 'cert', 'ca'] as const).every(name => isSame(old[name], given[name]))) return
    this.#credentials = clientCredentials({ ...context, ...given } as Credentials)
    this.#given = given
    this.#tickets.clear()
  }
}

function current<T>(value: T | (() => T)): T {
  return typeof value === 'function' ? (value as () => T)() : value
}

function attempt<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw new TokenError('ERR_OPTION', 'Cannot dial: the function in option key, cert or ca has thrown', {
      cause
    })
  }
}

/** Read anew from a file, the same bytes are another Buffer. */
function isSame(a: unknown, b: unknown): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0
  return a === b
}
