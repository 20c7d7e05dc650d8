import type { EventEmitter } from 'node:events'

/**
 * @param payload must not be changed. It may be a view of something larger, which it keeps in memory: copy what is kept for long
 * @param from the `id` of the bus that published it; `bus.id` for what was published here
 */
export type BusListener = (topic: string, payload: Buffer, from: string) => void

export interface BusEvents {
  /**
   * Messages of others may be missing here. `from` is the `id` of the bus whose messages are, or null: they may be anybody's.
   */
  gap: [gap: { readonly from: string | null; readonly why: string }]
  /** What is published reaches the others, and what they publish reaches this one. */
  up: []
  /** It does not, until `up`, also before the first one. What is published meanwhile waits, within `maxQueueBytes`. */
  down: [down: { readonly why: string }]
}

export interface BusStats {
  /** Messages published here. */
  readonly published: number
  /** Messages of others. */
  readonly received: number
  /** Messages published here that did not reach the others, for the queue was full. */
  readonly dropped: number
  /** Bytes published here that wait to be sent. */
  readonly queuedBytes: number
  readonly gaps: number
  /** How often the connection to the others was lost. */
  readonly losses: number
}

/**
 * Carries messages between the processes of one system. Everybody hears everything of all, in the order of each that publishes,
 * nothing twice; what may be missing is told by `gap`. Nothing is kept for those who are not there.
 */
export interface Bus extends EventEmitter<BusEvents> {
  /** Of this start of this process: 32 hex digits. */
  readonly id: string
  readonly isUp: boolean
  /** Settles at the first `up`; rejects with `ERR_BUS_CLOSED` if the bus is closed before. */
  readonly ready: Promise<void>
  readonly stats: BusStats
  /**
   * The listeners of this process have heard the message when it returns, unless one of them is the caller: then they hear it
   * once they are done with the one before. The others get it about a millisecond later. The payload is copied, and may be changed then.
   *
   * @returns false when messages had to be dropped, the oldest first, for the queue was full
   * @throws ServiceError `ERR_BUS_MESSAGE` when it is too large, `ERR_BUS_CLOSED`
   */
  publish(topic: string, payload: Uint8Array): boolean
  /** Hears everything, what is published here included. @returns call it to stop */
  subscribe(listener: BusListener): () => void
  /** Hears one topic. @returns call it to stop */
  subscribe(topic: string, listener: BusListener): () => void
  /** Resolves when all that was published so far is on its way to the others, or dropped. @throws (rejects) `ERR_BUS_CLOSED` */
  flush(): Promise<void>
  /** Flushes for a while, then leaves. Never rejects. */
  close(): Promise<void>
}

export interface BusLimits {
  /** Bytes of a payload. Default 8 MiB. */
  readonly maxMessageBytes: number
  /** Bytes that wait to be sent. Default 16 MiB. */
  readonly maxQueueBytes: number
}

export const BUS_LIMITS: BusLimits = { maxMessageBytes: 8 * 1_048_576, maxQueueBytes: 16 * 1_048_576 }
