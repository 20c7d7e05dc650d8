import { constants } from 'node:crypto'
import type { Server, TlsOptions } from 'node:tls'
import { TokenError } from '../errors/token-error'
import { nextExpiryNotice, WallClockDeadline } from '../runtime/wall-clock-deadline'
import { secureDefaults } from '../tls/context'
import {
  type Credentials,
  type OwnCertificate,
  type ReadCredentials,
  readCredentials
} from '../tls/read-credentials'
import { sessionIdContext } from '../tls/session-id-context'
import { TrustAnchors } from '../tls/trust-anchors'

/** A certificate of this side that ends soon. */
export interface ExpiringCertificate {
  /** The subject as Node prints it. */
  readonly subject: string
  readonly validTo: Date
  /** 14 or 1: the notice given. */
  readonly days: number
}

/** The key, certificate and CAs of a server, which `reload` changes while it runs. */
export class ServerCredentials {
  readonly #onExpiring: (certificate: ExpiringCertificate) => void
  /** As they were given. */
  #options: TlsOptions
  #read: ReadCredentials<TlsOptions>
  #fingerprints: readonly Uint8Array[]
  /** Made when it is first needed. */
  #anchors: TrustAnchors | null = null
  #notices: WallClockDeadline[] = []

  /** @throws TokenError `ERR_OPTION` when Node refuses them */
  constructor(options: TlsOptions, onExpiring: (certificate: ExpiringCertificate) => void) {
    this.#options = options
    this.#read = readCredentials(options)
    this.#fingerprints = fingerprintsOf(this.#read)
    this.#onExpiring = onExpiring
  }

  /** For `tls.createServer` and `setSecureContext`. A ticket dies when the trust it stands on changes. */
  get tlsOptions(): TlsOptions {
    const options = secureDefaults(this.#read.options)
    // Node 20 resumes a ticket of one SNI context in another, whatever that one trusts.
    if (options.SNICallback) options.secureOptions = (options.secureOptions ?? 0) | constants.SSL_OP_NO_TICKET
    return { ...options, sessionIdContext: sessionIdContext(this.#read.options) }
  }

  /** Whom the server trusts now. */
  get anchors(): TrustAnchors {
    this.#anchors ??= new TrustAnchors(this.#read.trust)
    return this.#anchors
  }

  /** SHA-256 of each certificate that may be presented. */
  get fingerprints(): readonly Uint8Array[] {
    return this.#fingerprints
  }

  /** @throws TokenError `ERR_RELOAD`; the old ones stay */
  reload(changes: Credentials, server: Server | null): void {
    const options = { ...this.#options, ...changes }
    try {
      this.#read = readCredentials(options)
    } catch (cause) {
      const why = cause instanceof TokenError ? cause.message : 'Node refuses them'
      throw new TokenError('ERR_RELOAD', `Cannot reload, the old certificates stay: ${why}`, { cause })
    }
    this.#options = options
    this.#fingerprints = fingerprintsOf(this.#read)
    this.#anchors = null
    server?.setSecureContext(this.tlsOptions)
    this.watch()
  }

  /** Begins to tell of certificates that end. */
  watch(): void {
    this.stop()
    for (const own of this.#read.own) this.#watchOne(own, Number.POSITIVE_INFINITY)
  }

  stop(): void {
    for (const notice of this.#notices.splice(0)) notice.clear()
  }

  #watchOne({ certificate, validTo, fingerprint }: OwnCertificate, told: number): void {
    const notice = nextExpiryNotice(validTo, new Date(), told)
    if (notice === null) return
    this.#notices.push(
      new WallClockDeadline(notice.at, () => {
        this.#onExpiring(Object.freeze({ subject: certificate.subject, validTo, days: notice.days }))
        this.#watchOne({ certificate, validTo, fingerprint }, notice.days)
      })
    )
  }
}

function fingerprintsOf({ own }: ReadCredentials<TlsOptions>): readonly Uint8Array[] {
  return own.map(certificate => certificate.fingerprint)
}
