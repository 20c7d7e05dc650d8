import type { X509Certificate } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { TlsOptions } from 'node:tls'
import type { TokenError } from '../errors/token-error'
import { untrustedClient } from '../errors/trust-errors'
import { clock } from '../runtime/clock'
import { checkTrust, distrust, type TrustFailure } from '../tls/check-trust'
import { knownCertificates } from '../tls/known-certificates'
import { peerChain } from '../tls/peer'
import type { SecuredClient } from './pending-clients'
import type { ServerCredentials } from './server-credentials'

/**
 * Whether a server trusts those who are connected: the one rule that every door asks, from the handshake to the
 * connection, the handler of another protocol, and `reload()`.
 */
export class LiveTrust {
  /** False when the options say that a client needs no certificate, or none that is trusted. */
  readonly isDemanded: boolean
  readonly #credentials: ServerCredentials
  /** What each trusted client showed, its own certificate first: after the handshake nobody can ask for them again. */
  readonly #chains = new WeakMap<Duplex, readonly X509Certificate[]>()
  /** The moment of the last `reload()`, by the monotonic clock. */
  #reloadedAt = Number.NEGATIVE_INFINITY

  constructor(credentials: ServerCredentials, { requestCert, rejectUnauthorized }: TlsOptions) {
    this.#credentials = credentials
    this.isDemanded = requestCert !== false && rejectUnauthorized !== false
  }

  /** The TLS handshake of a client is done; ask nothing else for its certificate before this. */
  secured(client: SecuredClient): void {
    const { socket } = client
    const chain = peerChain(socket)
    client.certificate = chain[0]
    // Before the client is judged: one that came before a reload is judged by its chain.
    this.#chains.set(socket, chain)
    if (this.judge(client) !== null) {
      // Nothing of a stranger is kept.
      this.#chains.delete(socket)
      return
    }
    const known = chain.map(certificate => knownCertificates.keep(certificate))
    client.certificate = known[0]
    this.#chains.set(socket, known)
  }

  /**
   * Whether a client is trusted now; null means yes. Its socket says the same from then on. Ask it anew at each door:
   * since the last one a certificate may have ended, or `reload()` have changed the trust.
   */
  judge(client: SecuredClient): TrustFailure | null {
    const { socket } = client
    const failure =
      checkTrust(socket, new Date(), client.certificate) ??
      // Its handshake may have asked the trust from before a reload.
      (this.isCurrent(client) ? null : this.#check(socket))
    if (failure !== null) distrust(socket, failure.reason)
    return failure
  }

  /** Judges a client that must be trusted, unless the options say otherwise. @returns why it is refused, or null */
  refusalOf(client: SecuredClient): TokenError | null {
    const failure = this.judge(client)
    return failure === null || !this.isDemanded ? null : untrustedClient(failure)
  }

  /** Whether the new options after `reload()` trust who is connected. @returns why not, or null */
  recheck(socket: Duplex): TokenError | null {
    const failure = this.#check(socket)
    return failure === null ? null : untrustedClient(failure)
  }

  reloaded(): void {
    this.#reloadedAt = clock.now()
  }

  /** Whether a client came when the options of now were there. */
  isCurrent(client: SecuredClient): boolean {
    return client.since > this.#reloadedAt
  }

  #check(socket: Duplex): TrustFailure | null {
    return this.#credentials.anchors.check(this.#chains.get(socket) ?? [], new Date())
  }
}
