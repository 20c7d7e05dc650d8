import type { BenchOptions, PeerName } from '../options'
import type { Target } from './mqtt-connection'

/** What stays the same in a run. */
export type LoadOptions = Pick<BenchOptions, 'connections' | 'subscriptions' | 'fanOut' | 'qos' | 'payload'>

/** What a load process is told to do, and answers. Bytes of histograms go as they are: the channel is of structured clones. */
export interface Tasks {
  /** Connects the subscribers of a peer, those with the numbers from `first` to before `end`; or the publishers. */
  open: { in: { peer: PeerName; target: Target; jwt: boolean; first: number; end: number }; out: undefined }
  /** Makes subscribers ready for a round. */
  expect: { in: { peer: PeerName; round: number }; out: undefined }
  /** Publishes; answers when all was written, or given up. */
  publish: { in: { peer: PeerName; round: number; rate: number; seconds: number }; out: Sent }
  /** What subscribers have received in the round, or publishers got acknowledged. */
  count: { in: { peer: PeerName }; out: number }
  /** The round is over. */
  collect: { in: { peer: PeerName }; out: Received }
}

export type TaskName = keyof Tasks

/** Of the publishers in one round. */
export interface Sent {
  readonly sent: number
  /** When the last message was written; on the clock of {@link now}. */
  readonly lastAt: number
  /** The most by which a message was behind its time, milliseconds. */
  readonly late: number
  /** Whether that was the broker, which did not take what was written. */
  readonly isHeldBack: boolean
}

/** Of the subscribers of one process in one round. */
export interface Received {
  /** Messages that came in their order, each once. */
  readonly received: number
  /** Messages that came a second time, or behind a later one. */
  readonly unordered: number
  /** Messages that were changed, or came to a connection that has no such topic. */
  readonly wrong: number
  /** Messages of a round that was over. */
  readonly stale: number
  /** When the last one came; 0: none did. */
  readonly lastAt: number
  /** The counts of a `Histogram` of milliseconds. */
  readonly latencies: Uint32Array
}
