import { type Connection, controlOf } from '../connection/connection'
import { certificateExpired } from '../errors/trust-errors'
import { clock } from '../runtime/clock'
import { nextTick } from '../runtime/event-loop'
import { CertificateExpiry } from '../tls/certificate-expiry'
import { type ExpiringCertificate, expiryNotices } from '../tls/expiry-notices'

/** Tells that the certificate of a peer ends soon, and breaks the connection when it has ended. */
export class PeerExpiry {
  readonly #days: readonly number[] | undefined
  readonly #onExpiring: (certificate: ExpiringCertificate, connection: Connection) => void
  readonly #ends = new CertificateExpiry<Connection>(connection =>
    controlOf(connection).fail(certificateExpired('peer'))
  )
  readonly #notices = new CertificateExpiry<Connection>(connection => this.#tell(connection))

  /** @param days before the end at which it is told */
  constructor(
    days: readonly number[] | undefined,
    onExpiring: (certificate: ExpiringCertificate, connection: Connection) => void
  ) {
    this.#days = days
    this.#onExpiring = onExpiring
  }

  /** Watches the certificate that the peer has now. */
  set(connection: Connection): void {
    const { peer } = connection
    if (peer === null) return
    this.#ends.set(connection, peer.validTo)
    const now = clock.date()
    const [first] = expiryNotices(peer.validTo.getTime(), now, this.#days)
    if (first === undefined || first.at <= now) this.#notices.delete(connection)
    else this.#notices.set(connection, new Date(first.at))
    // The listeners learn of the connection first. A notice that is due would make each of a herd look at all others.
    if (first !== undefined && first.at <= now) nextTick(() => this.#tell(connection))
  }

  delete(connection: Connection): void {
    this.#ends.delete(connection)
    this.#notices.delete(connection)
  }

  #tell(connection: Connection): void {
    const { peer } = connection
    if (peer === null || !connection.isOpen) return
    const { subject, validTo } = peer
    const [due, next] = expiryNotices(validTo.getTime(), clock.date(), this.#days)
    if (next !== undefined) this.#notices.set(connection, new Date(next.at))
    if (due === undefined) return
    const { days } = due
    this.#onExpiring(Object.freeze({ subject, validTo: new Date(validTo), days }), connection)
  }
}
