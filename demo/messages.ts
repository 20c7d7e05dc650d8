/** What the server program and the client program tell the program that started them. */

/** One end of the connection, as that end sees it. */
export interface ConnectionSeen {
  readonly protocol: string
  readonly tls: string
  readonly cipher: string
  /** The other side, verified. */
  readonly peer: {
    readonly subject: string
    readonly sans: readonly string[]
    readonly fingerprint: string
    /** ISO 8601. */
    readonly validTo: string
  }
}

/** What was sent, or what came back. */
export interface Tally {
  readonly tokens: number
  readonly bytes: number
  /** Of the file's bytes, in hex. */
  readonly sha256: string
}

/** The measured transfer. */
export interface Result {
  readonly sent: Tally
  readonly returned: Tally
  /** The header came back as it was sent, and so did the mark at the end. */
  readonly isFramed: boolean
  /** From the first token sent to the last one back. */
  readonly milliseconds: number
  readonly pings: number
  readonly p50: number
  readonly p99: number
}

export type FromServer =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'connected'; readonly seen: ConnectionSeen }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'ended'; readonly peakRss: number }

export type FromClient =
  | { readonly kind: 'connected'; readonly seen: ConnectionSeen }
  | { readonly kind: 'progress'; readonly bytes: number }
  | { readonly kind: 'result'; readonly result: Result }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'ended'; readonly peakRss: number }
