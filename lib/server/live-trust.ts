import type { X509Certificate } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { TlsOptions } from 'node:tls'
import type { TokenError } from '../errors/token-error'
import { untrustedClient } from '../errors/trust-errors'
import { clock } from '../runtime/clock'
import { checkTrust, distrust, type TrustFailure } from '../tls/check-trust'
import { knownCertificates } from '../tls/known-certificates'
import { peerChain } from '../tls/peer'
import { whyUntrusted } from '../tls/why-untrusted'
import type { SecuredClient } from './pending-clients'
import type { ServerCredentials } from './server-credentials'

/**
 * Judges the clients of a server: every door asks it, from the handshake to the connection, the handler of another protocol
 * and `reload()`.
 */
export class LiveTrust {
  /** False when the options say that a client needs no certificate, or none that is trusted. */
  readonly isDemanded: boolean
  readonly #credentials: ServerCredentials
  /** The chain of each trusted client, its own certificate first: Node gives it only once, after the handshake. */
  readonly #chains = new WeakMap<Duplex, readonly X509Certificate[]>()
  /** What is wrong with each client that was not trusted after its handshake; its chain is not kept. */
  readonly #reasons = new WeakMap<Duplex, string>()
  /** The moment of the last `reload()`, by the monotonic clock. */
  #reloadedAt = Number.NEGATIVE_INFINITY

  constructor(
    credentials: ServerCredentials,
    { requestCert, rejectUnauthorized }: Pick<TlsOptions, 'requestCert' | 'rejectUnauthorized'>
  ) {
    this.#credentials = credentials
    this.isDemanded = requestCert !== false && rejectUnauthorized !== false
  }

  /** Takes the certificates of a client whose TLS handshake is done; nothing else may ask for them before. */
  secured(client: SecuredClient): void {
    const { socket } = client
    const chain = peerChain(socket)
    client.certificate = chain[0]
    // A client that came before a reload is judged by its chain.
    this.#chains.set(socket, chain)
    const failure = this.judge(client)
    if (failure !== null) {
      this.#reasons.set(socket, this.#why(socket, failure))
      // A stranger must not be able to fill the memory.
      this.#chains.delete(socket)
      return
    }
    const known = chain.map(certificate => knownCertificates.keep(certificate))
    client.certificate = known[0]
    this.#chains.set(socket, known)
  }

  /**
   * Says why a client is not trusted now; null when it is. Its socket says the same from then on. Each door asks anew: since the
   * last one a certificate may have ended, or `reload()` have changed the trust.
   */
  judge(client: SecuredClient): TrustFailure | null {
    const { socket } = client
    const failure =
      checkTrust(socket, new Date(), client.certificate) ??
      // Its handshake has asked the options from before the reload.
      (this.isCurrent(client) ? null : this.#check(socket))
    if (failure !== null) distrust(socket, failure.reason)
    return failure
  }

  /** @returns why a client is refused; null when it is trusted, or need not be */
  refusalOf(client: SecuredClient): TokenError | null {
    const failure = this.judge(client)
    return failure === null || !this.isDemanded ? null : this.refusalFor(client.socket, failure)
  }

  refusalFor(socket: Duplex, failure: TrustFailure): TokenError {
    return untrustedClient(failure.code, this.#reasons.get(socket) ?? this.#why(socket, failure))
  }

  /** @returns why the options after `reload()` do not trust who is connected; null when they do */
  recheck(socket: Duplex): TokenError | null {
    const failure = this.#check(socket)
    return failure === null ? null : this.refusalFor(socket, failure)
  }

  reloaded(): void {
    this.#reloadedAt = clock.now()
  }

  /** True when a client came after the last `reload()`. */
  isCurrent(client: SecuredClient): boolean {
    return client.since > this.#reloadedAt
  }

  #why(socket: Duplex, { reason }: TrustFailure): string {
    const chain = this.#chains.get(socket) ?? []
    return whyUntrusted(reason, { role: 'client', chain, trust: this.#credentials.trust, now: new Date() })
  }

  #check(socket: Duplex): TrustFailure | null {
    return this.#credentials.anchors.check(this.#chains.get(socket) ?? [], new Date())
  }
}
