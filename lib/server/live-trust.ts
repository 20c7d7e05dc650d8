import type { X509Certificate } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { TLSSocket, TlsOptions } from 'node:tls'
import { clock } from '../runtime/clock'
import { checkTrust, distrust, type TrustFailure } from '../tls/check-trust'
import { knownCertificates } from '../tls/known-certificates'
import { peerChain } from '../tls/peer'
import type { PendingClient } from './pending-clients'
import type { ServerCredentials } from './server-credentials'

/**
 * Whether a server trusts those who are connected: the one rule that every door asks, from the handshake to the
 * connection, the handler of another protocol, and `reload()`.
 */
export class LiveTrust {
  readonly #credentials: ServerCredentials
  /** What each trusted client showed, its own certificate first: after the handshake nobody can ask for them again. */
  readonly #chains = new WeakMap<Duplex, readonly X509Certificate[]>()
  /** The moment of the last `reload()`, by the monotonic clock. */
  #reloadedAt = Number.NEGATIVE_INFINITY

  constructor(credentials: ServerCredentials) {
    this.#credentials = credentials
  }

  /** The TLS handshake of a client is done; ask nothing else for its certificate before this. */
  secured(client: PendingClient, socket: TLSSocket): void {
    const chain = peerChain(socket)
    client.certificate = chain[0]
    // Before it is judged: one that came before a reload is asked for its chain.
    this.#chains.set(socket, chain)
    if (this.judge(client, socket) !== null) {
      // Of a stranger nothing stays.
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
  judge(client: PendingClient, socket: TLSSocket): TrustFailure | null {
    // Before a reload its handshake asked the old trust.
    const failure =
      checkTrust(socket, new Date(), client.certificate) ??
      (this.isCurrent(client) ? null : this.check(socket))
    if (failure !== null) distrust(socket, failure.reason)
    return failure
  }

  /** Whether the new options after `reload()` trust who is connected. Null means yes. */
  check(socket: Duplex): TrustFailure | null {
    return this.#credentials.anchors.check(this.#chains.get(socket) ?? [], new Date())
  }

  reloaded(): void {
    this.#reloadedAt = clock.now()
  }

  /** Whether a client came when the options of now were there. */
  isCurrent(client: PendingClient): boolean {
    return client.since > this.#reloadedAt
  }
}

/** True unless the options say that a client needs no certificate, or none that is trusted. */
export function demandsTrust({ requestCert, rejectUnauthorized }: TlsOptions): boolean {
  return requestCert !== false && rejectUnauthorized !== false
}
