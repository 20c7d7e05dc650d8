import type { X509Certificate } from 'node:crypto'
import type { ConnectionOptions, SecureContextOptions, TLSSocket } from 'node:tls'
import { isNativeError, isUint8Array } from 'node:util/types'
import { giveTcpOptions } from '../connection/transport'
import type { TransportFacts } from '../connection/transport-facts'
import { TokenError } from '../errors/token-error'
import { ask } from '../runtime/application-call'
import { currentCredentials } from '../tls/current-credentials'
import { ExpiryNotices } from '../tls/expiry-notices'
import { ownFingerprints, peerFrom } from '../tls/peer'
import { type ClientCredentials, clientCredentials } from './client-credentials'
import type { ClientSettings } from './client-options'
import type { ClientReport } from './client-report'
import { Dial, type Ticket } from './dial'

type CheckServerIdentity = NonNullable<ConnectionOptions['checkServerIdentity']>

/** What a dial tells: one of the two, once. */
export interface DiallerEvents {
  /** The server is trusted, and speaks a protocol that the client takes. */
  onSocket(socket: TLSSocket, facts: TransportFacts): void
  onFailed(error: TokenError): void
}

/** Dials the servers of a client in turn, with the credentials of the moment and the last TLS ticket of each. */
export class Dialler {
  readonly #settings: ClientSettings
  readonly #report: Pick<ClientReport, 'dials' | 'expiring' | 'guesses'>
  readonly #notices: ExpiryNotices
  /** Each set of credentials has its own map: a ticket that comes late belongs to the one that its dial had. */
  #tickets = new Map<number, Ticket>()
  #given: SecureContextOptions | null = null
  #isWatching = false
  #credentials!: ClientCredentials
  /** The server that is dialled next. */
  #next = 0
  /** The server that was dialled last. */
  #dialled = 0
  /** The server that has accepted this client, and has its session. */
  #home = 0

  /** @throws TokenError `ERR_OPTION` */
  constructor(settings: ClientSettings, report: Pick<ClientReport, 'dials' | 'expiring' | 'guesses'>) {
    this.#settings = settings
    this.#report = report
    this.#notices = new ExpiryNotices(settings.policies.expiryNoticeDays)
    this.#readCredentials()
  }

  /** True when the first server is next, after all others were tried. */
  get hasComeRound(): boolean {
    return this.#next === 0
  }

  get hasOtherServers(): boolean {
    return this.#settings.servers.length > 1
  }

  arrived(): void {
    this.#home = this.#dialled
    this.#next = this.#home
  }

  /** The next dial goes to the next server. */
  turn(): void {
    this.#next = (this.#next + 1) % this.#settings.servers.length
  }

  /** The next dial goes to the server that accepted this client last. */
  goHome(): void {
    this.#next = this.#home
  }

  /** `connect()` was called: tells of the ends of this side's certificates from now on. */
  begin(): void {
    this.#isWatching = true
    this.#watch()
  }

  /** The client has closed: a later dial begins with the first server. */
  end(): void {
    this.#next = 0
    this.#isWatching = false
    this.#notices.clear()
  }

  /**
   * @param refusedRetryTimeout milliseconds in which a refused dial is tried again
   * @throws TokenError `ERR_OPTION` when the credentials can't be read
   */
  dial(refusedRetryTimeout: number, events: DiallerEvents): Dial {
    this.#readCredentials()
    const { tls, tcp, servers, policies, connectTimeout } = this.#settings
    const server = this.#next
    const tickets = this.#tickets
    this.#dialled = server
    const options = {
      ...tls,
      ...servers[server],
      secureContext: tls.secureContext ?? this.#credentials.context,
      rejectUnauthorized: tls.rejectUnauthorized ?? true,
      ...(tls.checkServerIdentity && { checkServerIdentity: guarded(tls.checkServerIdentity) }),
      ALPNProtocols: policies.protocol === undefined ? ['token/2', 'token/1'] : [policies.protocol]
    }
    const times = { connectTimeout, refusedRetryTimeout }
    const trust = tls.secureContext === undefined ? this.#credentials.trust : null
    const dial = new Dial(options, tickets.get(server), times, trust, {
      onSocket: (socket, certificate, timeLeft) => {
        giveTcpOptions(socket, tcp)
        if (policies.protocol === undefined && !socket.alpnProtocol) this.#report.guesses(dial.target)
        if (policies.protocol !== 'token/2' || socket.alpnProtocol === 'token/2') {
          events.onSocket(socket, this.#factsOf(socket, certificate, timeLeft))
          return
        }
        dial.cancel()
        const message = 'Cannot connect: the server did not agree on token/2 by ALPN'
        events.onFailed(new TokenError('ERR_PROTOCOL_REQUIRED', message))
      },
      onFailed: error => {
        if (error.code === 'ERR_CERTIFICATE') tickets.delete(server)
        events.onFailed(error)
      },
      onTicket: ticket => {
        // Node does not call checkServerIdentity for a resumed session, and it may refuse by then.
        if (tls.checkServerIdentity === undefined) tickets.set(server, ticket)
      }
    })
    this.#report.dials(dial.target)
    return dial
  }

  /** Makes the next dials do full handshakes. */
  forgetTickets(): void {
    this.#tickets = new Map()
  }

  #factsOf(socket: TLSSocket, certificate: X509Certificate | undefined, timeLeft: number): TransportFacts {
    const { tls, context } = this.#settings
    const mayDiffer = tls.secureContext !== undefined || context.clientCertEngine !== undefined
    return {
      peer: peerFrom(certificate, socket.authorized),
      ownFingerprints: ownFingerprints(socket, this.#credentials.fingerprints, mayDiffer),
      greetingTimeout: timeLeft
    }
  }

  #watch(): void {
    this.#notices.clear()
    this.#notices.addCertificates(this.#credentials.own, certificate => this.#report.expiring(certificate))
  }

  /** With new credentials the tickets are void: a resumed connection would show the old certificate. */
  #readCredentials(): void {
    const given: SecureContextOptions = currentCredentials(this.#settings.context)
    const old = this.#given
    const names = Object.keys(given) as (keyof SecureContextOptions)[]
    if (old !== null && names.every(name => isSame(old[name], given[name]))) return
    this.#credentials = clientCredentials(given)
    this.#given = given
    this.#tickets = new Map()
    if (this.#isWatching) this.#watch()
  }
}

/** Node would leave the dial to its timeout after an exception, and take any answer for an Error. */
function guarded(check: CheckServerIdentity): CheckServerIdentity {
  const demand = 'Cannot trust the server: checkServerIdentity must give an Error or undefined'
  return (host, certificate) =>
    ask(() => check(host, certificate), isIdentityAnswer, 'ERR_CERTIFICATE', demand)
}

function isIdentityAnswer(answer: unknown): answer is Error | undefined {
  return answer === undefined || answer === null || isNativeError(answer)
}

/** The same bytes that are read again from a file come in another Buffer. */
function isSame(a: unknown, b: unknown): boolean {
  if (isUint8Array(a) && isUint8Array(b)) return Buffer.compare(a, b) === 0
  return a === b
}
