/** What has passed in both directions. */
export interface Traffic {
  /** Tokens of which the last byte was given to a socket: those that wait move to the next connection of a client. */
  readonly tokensSent: number
  /** Tokens given to this side's consumers. */
  readonly tokensReceived: number
  /** Bytes written to sockets, before TLS: tokens, their headers and control frames, but the HELLO of token/2. */
  readonly bytesSent: number
  /** Bytes read from sockets, likewise. */
  readonly bytesReceived: number
}

/** The counters of a connection at one moment. */
export interface ConnectionStats extends Traffic {
  /** Tokens that were taken, and of which the last byte has not left. */
  readonly tokensUnsent: number
  /** Bytes that wait to be sent. */
  readonly bufferedAmount: number
  /** Bytes that a session keeps until the peer acknowledges them. */
  readonly retainedBytes: number
  /** Bytes that arrived and wait for a consumer. */
  readonly unreadBytes: number
  /** Times that its session went on with another transport. */
  readonly resumptions: number
}

/** Adds up the traffic of connections, of which most are gone. */
export class TrafficTotals {
  #past: Traffic = { tokensSent: 0, tokensReceived: 0, bytesSent: 0, bytesReceived: 0 }

  /** A connection is gone. */
  add(traffic: Traffic): void {
    this.#past = sumOf(this.#past, traffic)
  }

  /** The sum over the connections that are gone, and over these. */
  with(connections: Iterable<{ readonly stats: Traffic }>): Traffic {
    let sum = this.#past
    for (const { stats } of connections) sum = sumOf(sum, stats)
    return sum
  }
}

/** Counts by code how often something happened. */
export class CountsByCode {
  readonly #counts = new Map<string, number>()

  add(code: string): void {
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + 1)
  }

  /** A copy. */
  get counts(): Readonly<Record<string, number>> {
    return Object.freeze(Object.fromEntries(this.#counts))
  }
}

function sumOf(one: Traffic, other: Traffic): Traffic {
  return {
    tokensSent: one.tokensSent + other.tokensSent,
    tokensReceived: one.tokensReceived + other.tokensReceived,
    bytesSent: one.bytesSent + other.bytesSent,
    bytesReceived: one.bytesReceived + other.bytesReceived
  }
}
