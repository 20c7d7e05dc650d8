import { constants } from 'node:crypto'
import type { Server, TlsOptions } from 'node:tls'
import { TokenError } from '../errors/token-error'
import { cannotUse } from '../options/checks'
import { secureDefaults } from '../tls/context'
import { type CredentialSources, currentCredentials } from '../tls/current-credentials'
import { type ExpiringCertificate, type ExpiringList, ExpiryNotices } from '../tls/expiry-notices'
import { type ReadCredentials, readCredentials } from '../tls/read-credentials'
import { sessionIdContext } from '../tls/session-id-context'
import { TrustAnchors, type TrustSources } from '../tls/trust-anchors'
import type { ServerTlsOptions } from './server-options'

/** What a server tells of the ends of its credentials. */
export interface ExpiryEvents {
  onCertificateExpiring(certificate: ExpiringCertificate): void
  onCrlExpiring(list: ExpiringList): void
}

/** The key, certificate and CAs of a server, which `reload` changes while it runs. */
export class ServerCredentials {
  readonly #events: ExpiryEvents
  readonly #notices: ExpiryNotices
  /** The options as they were given. */
  #options: ServerTlsOptions
  #read: ReadCredentials<TlsOptions>
  /** They are null until they are needed. */
  #anchors: TrustAnchors | null = null

  /**
   * @param days before an end at which it is told
   * @throws TokenError `ERR_OPTION` when a function gives none, or Node refuses them
   */
  constructor(options: ServerTlsOptions, days: readonly number[] | undefined, events: ExpiryEvents) {
    this.#options = options
    this.#read = readOwn(options)
    this.#events = events
    this.#notices = new ExpiryNotices(days)
  }

  /** What `tls.createServer` and `setSecureContext` get. A TLS ticket is void when what it was given under changes. */
  get tlsOptions(): TlsOptions {
    const options = secureDefaults(this.#read.options)
    // Node 20 resumes a ticket of one SNI context in another one, whatever that trusts.
    if (options.SNICallback) options.secureOptions = (options.secureOptions ?? 0) | constants.SSL_OP_NO_TICKET
    return { ...options, sessionIdContext: sessionIdContext(this.#read.options) }
  }

  /** The authorities that the options of the server trust. */
  get trust(): TrustSources {
    return this.#read.trust
  }

  /** The authorities that the server trusts now. */
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
    const { own, trust } = this.#read
    this.#notices.clear()
    this.#notices.addCertificates(own, certificate => this.#events.onCertificateExpiring(certificate))
    this.#notices.addLists(trust, list => this.#events.onCrlExpiring(list))
  }

  stop(): void {
    this.#notices.clear()
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
