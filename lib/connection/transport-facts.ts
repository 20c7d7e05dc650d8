import type { Duplex } from 'node:stream'
import type { Handshake } from '../protocol/handshake'
import type { Peer } from '../tls/peer'

/** Milliseconds for HELLO and `authorize` when nobody has used some of them before. */
export const GREETING_TIMEOUT = 10_000

/** A transport that goes from one connection to another, with the handshake on it. */
export interface Handover {
  readonly socket: Duplex
  readonly handshake: Handshake
  /** The peer: the socket does not know it of a resumed TLS session. */
  readonly peer: Peer | null
}

/** What a server or a client knows of one transport. */
export interface TransportFacts {
  /** When the maker knows better than the socket. */
  readonly peer?: Peer | null
  /** SHA-256 of the certificates that this side may have presented. */
  readonly ownFingerprints?: readonly Uint8Array[]
  /** Milliseconds left for HELLO and `authorize`. */
  readonly greetingTimeout?: number
  /** The socket was another connection's, and the peer was greeted on it. */
  readonly greeted?: Handshake
}
