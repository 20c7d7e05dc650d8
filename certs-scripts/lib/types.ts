/** A private key (PKCS #8) and its certificate, both PEM with a line end at the end: what `tls` takes. */
export interface KeyAndCert {
  readonly key: string
  readonly cert: string
}

/** For how long a certificate holds. */
export interface ValidityOptions {
  /**
   * Days from `notBefore`, or from now: a whole number from 1 to 36500. Default: 3650 for an authority, 365 for
   * what it signs, which then never outlives the authority.
   */
  readonly days?: number
  /** The first instant, taken as it is. Default: an hour ago, for machines whose clock is behind. */
  readonly notBefore?: Date
  /** The last instant, taken as it is: it wins over `days` and over the authority's end. */
  readonly notAfter?: Date
}

/** An authority's own certificate. */
export interface AuthorityOptions extends ValidityOptions {
  /** The common name, 1 to 64 characters. Default: `token-server authority`. */
  readonly name?: string
}

/** What a certificate's key may be used for (extended key usage). */
export type Usage = 'serverAuth' | 'clientAuth' | 'codeSigning' | 'emailProtection' | 'timeStamping'

/** A server's certificate. */
export interface ServerOptions extends ValidityOptions {
  /** The common name, 1 to 64 characters; clients check `hosts` instead. Default: `server`. */
  readonly name?: string
  /** DNS names and IP addresses, at least one. Default: localhost, 127.0.0.1, ::1 and this machine's host name. */
  readonly hosts?: readonly string[]
  /** Default: `['serverAuth']`; `[]` leaves the extension out. */
  readonly usages?: readonly Usage[]
}

/** A client's certificate. */
export interface ClientOptions extends ValidityOptions {
  /** The common name, 1 to 64 characters: who the client is. */
  readonly name: string
  /** Default: `['clientAuth']`; `[]` leaves the extension out. */
  readonly usages?: readonly Usage[]
}

/** What a renewed certificate has that the old one had not. */
export interface RenewOptions extends ValidityOptions {
  /** Days from `notBefore`, or from now. Default: as many as the old certificate was made for. */
  readonly days?: number
  /** DNS names and IP addresses, at least one, in place of all that the old one has. Default: those of the old one. */
  readonly hosts?: readonly string[]
}

/** A revocation list's own dates and number. */
export interface CrlOptions {
  /** Days from `thisUpdate`, or from now, to the next list: a whole number from 1 to 36500. Default: 30. */
  readonly days?: number
  /** When the list was made. Default: an hour ago, for machines whose clock is behind. */
  readonly thisUpdate?: Date
  /** When the next list is due: after it, this one is refused. Default: in `days` days. */
  readonly nextUpdate?: Date
  /** A whole number that grows from list to list. Default: the milliseconds since 1970. */
  readonly number?: number
}

/** How an existing authority is taken up. */
export interface OpenOptions {
  /** Takes a certificate that is no authority, for tests of a chain that must be refused. Default: false. */
  readonly allowLeaf?: boolean
}

/** A certificate authority: its own key and certificate, and what it signs. */
export interface Authority extends KeyAndCert {
  /** A new key and certificate for a server. Rejects with a `CertsError` for a bad name, host or date. */
  issueServer(options?: ServerOptions): Promise<KeyAndCert>
  /** A new key and certificate for a client. Rejects with a `CertsError` for a bad name or date. */
  issueClient(options: ClientOptions): Promise<KeyAndCert>
  /**
   * A new key and certificate in place of this one (PEM), whoever signed it: with its subject, names, extended key
   * usages and number of days. Rejects with a `CertsError` when it can't be read, and for a bad host or date.
   */
  renew(cert: string, options?: RenewOptions): Promise<KeyAndCert>
  /** A revocation list (PEM) of these certificates (PEM), for the `crl` option of `tls`. */
  createCrl(revoked: readonly string[], options?: CrlOptions): Promise<string>
}

/** What a certificate says of itself. */
export interface CertificateInfo {
  /** The distinguished name, escaped as in RFC 2253, its fields separated by ", ". */
  readonly subject: string
  /** DNS names and addresses (and what else may stand there), without their types. */
  readonly names: readonly string[]
  /** SHA-256, as `tls` gives it in `fingerprint256`: upper-case pairs with colons. */
  readonly fingerprint: string
  /** In hex. */
  readonly serialNumber: string
  /** Whether it may sign others. */
  readonly authority: boolean
  readonly notBefore: Date
  readonly notAfter: Date
}

/** A certificate and its key in a folder. */
export interface CertificateFiles {
  /** The path of the certificate: the folder as it was given, then `NAME/NAME.crt`. */
  readonly cert: string
  /** The path of the key. */
  readonly key: string
  readonly info: CertificateInfo
  /** The certificate that stood there before, and was renewed. */
  readonly replaced?: CertificateInfo
  /** Where the files of the authority are that stood there before. */
  readonly keptAs?: readonly string[]
}

/** Where certificates go, and for how long they hold. */
export interface FolderOptions {
  /** The folder. Default: `certs` in the working directory. */
  readonly out?: string
  /**
   * Days from now: a whole number from 1 to 36500. Default: as many as the certificate that is replaced was made
   * for, else 365. Never past the authority's end.
   */
  readonly days?: number
  /**
   * Renews certificates that exist: a new key and new dates, for the subject, names and usages that they have. The
   * authority is never replaced. Default: false.
   */
  readonly force?: boolean
}

/** A whole set: an authority, which holds for `days` but at least 3650, a server, and clients. */
export interface MakeOptions extends FolderOptions {
  /**
   * The server's names and addresses, in place of all it has. Default: those it has, else localhost, 127.0.0.1, ::1
   * and this machine's host name.
   */
  readonly hosts?: readonly string[]
  /** Clients besides the one called `client`. Default: none. */
  readonly clients?: readonly string[]
  /**
   * Makes a new authority also where there is one, whose key and certificate stay beside it as `ca-DATE.key` and
   * `ca-DATE.crt`; renews the server and the clients under it, as `force` does. Default: false.
   */
  readonly newAuthority?: boolean
}

/** More clients of the authority in the folder. */
export interface AddClientsOptions extends FolderOptions {
  /** Each is a common name, and the name of its folder and files. */
  readonly clients: readonly string[]
}

/** The server anew, by the authority in the folder. */
export interface RenewServerOptions extends FolderOptions {
  /**
   * The server's names and addresses, in place of all it has. Default: those it has, else localhost, 127.0.0.1, ::1
   * and this machine's host name.
   */
  readonly hosts?: readonly string[]
}

/** Functions that read a file (PEM) each time they are called, and throw a `CertsError` when they can't. */
export interface LoadedCertificates {
  readonly key: () => string
  readonly cert: () => string
  /** The authority's certificate. */
  readonly ca: () => string
  /** The list of revoked certificates. */
  readonly crl?: () => string
}

/** A certificate found in a folder; either `info` or `problem` is there, and `warnings` may come with `info`. */
export type ListedCertificate =
  | { readonly cert: string; readonly info: CertificateInfo; readonly warnings: readonly string[] }
  | { readonly cert: string; readonly problem: string }
