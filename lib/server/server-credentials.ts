import { constants } from 'node:crypto'
import type { Server, TlsOptions } from 'node:tls'
import { TokenError } from '../errors/token-error'
import { cannotUse } from '../options/checks'
import { clock } from '../runtime/clock'
import { WallClockDeadline } from '../runtime/wall-clock-deadline'
import { secureDefaults } from '../tls/context'
import { type CredentialSources, currentCredentials } from '../tls/current-credentials'
import { validityOf } from '../tls/peer'
import { type ReadCredentials, readCredentials } from '../tls/read-credentials'
import { sessionIdContext } from '../tls/session-id-context'
import { TrustAnchors, type TrustSources } from '../tls/trust-anchors'
import type { ServerTlsOptions } from './server-options'

const DAY = 86_400_000

/** When `certificate-expiring` is told: days before the end, and those of the notice that comes next. */
const NOTICES = [
  [14, 1],
  [1, 0]
] as const

/** A certificate of this side that ends soon. */
export interface ExpiringCertificate {
  /** The subject as Node prints it. */
  readonly subject: string
  readonly validTo: Date
  /** 14 or 1: how many days ahead this notice comes, or should have come. */
  readonly days: number
}

/** The key, certificate and CAs of a server, which `reload` changes while it runs. */
export class ServerCredentials {
  readonly #onExpiring: (certificate: ExpiringCertificate) => void
  /** The options as they were given. */
  #options: ServerTlsOptions
  #read: ReadCredentials<TlsOptions>
  /** Null until they are needed. */
  #anchors: TrustAnchors | null = null
  #notices: WallClockDeadline[] = []

  /** @throws TokenError `ERR_OPTION` when a function gives none, or Node refuses them */
  constructor(options: ServerTlsOptions, onExpiring: (certificate: ExpiringCertificate) => void) {
    this.#options = options
    this.#read = readOwn(options)
    this.#onExpiring = onExpiring
  }

  /** What `tls.createServer` and `setSecureContext` get. A TLS ticket is void when what it was given under changes. */
  get tlsOptions(): TlsOptions {
    const options = secureDefaults(this.#read.options)
    // Node 20 resumes a ticket of one SNI context in another one, whatever that trusts.
    if (options.SNICallback) options.secureOptions = (options.secureOptions ?? 0) | constants.SSL_OP_NO_TICKET
    return { ...options, sessionIdContext: sessionIdContext(this.#read.options) }
  }

  /** Whom the server trusts, as its options say it. */
  get trust(): TrustSources {
    return this.#read.trust
  }

  /** Whom the server trusts now. */
  get anchors(): TrustAnchors {
    this.#anchors ??= new TrustAnchors(this.#read.trust)
    return this.#anchors
  }

  /** SHA-256 of each certificate that may be presented. */
  get fingerprints(): readonly Uint8Array[] {
    return this.#read.fingerprints
  }

  /** Functions among them are called again. @throws TokenError `ERR_RELOAD`; the old ones stay */
  reload(changes: CredentialSources, server: Server | null): void {
    const options = { ...this.#options, ...changes }
    try {
      this.#read = readOwn(options)
    } catch (cause) {
      const why = cause instanceof TokenError ? cause.message : 'Node refuses them'
      throw new TokenError('ERR_RELOAD', `Cannot reload, the old certificates stay: ${why}`, { cause })
    }
    this.#options = options
    this.#anchors = null
    server?.setSecureContext(this.tlsOptions)
    this.watch()
  }

  watch(): void {
    this.stop()
    for (const certificate of this.#read.own) {
      const { subject } = certificate
      const end = validityOf(certificate).notAfter
      for (const { at, days } of expiryNotices(end, clock.date())) {
        const notice = Object.freeze({ subject, validTo: new Date(end), days })
        this.#notices.push(new WallClockDeadline(new Date(at), () => this.#onExpiring(notice)))
      }
    }
  }

  stop(): void {
    for (const notice of this.#notices.splice(0)) notice.clear()
  }
}

/** @throws TokenError `ERR_OPTION`, also where nothing gives a certificate: the server would listen, and fail each handshake */
function readOwn(options: ServerTlsOptions): ReadCredentials<TlsOptions> {
  const read = readCredentials(currentCredentials(options))
  if (read.own.length === 0 && options.SNICallback === undefined && options.pskCallback === undefined) {
    throw cannotUse(
      'cert',
      'it is missing: a server needs key and cert, or pfx, or an SNICallback or pskCallback'
    )
  }
  return read
}

/**
 * When to tell that a certificate ends; a time that has passed means at once. Of the notices that were missed, only the last
 * one is given.
 *
 * @param end and now: milliseconds since 1970
 */
export function expiryNotices(end: number, now: number): { at: number; days: number }[] {
  return NOTICES.filter(([, next]) => now < end - next * DAY).map(([days]) => ({
    at: end - days * DAY,
    days
  }))
}
