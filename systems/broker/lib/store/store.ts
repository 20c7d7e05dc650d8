import type { Readable } from 'node:stream'
import type { Persistence, StoredClient, StoredPacket, StoredSubscription } from './base-persistence'

/** Somebody goes on with the session at another broker, which gives out its messages from now on. */
export class SessionTakenError extends Error {
  override readonly name = 'SessionTakenError'
}

export interface StoreOptions {
  /** The most messages that wait for one session. */
  readonly maxQueuedMessages: number
  /** The most bytes of them. */
  readonly maxQueuedBytes: number
  /** The most retained messages of all topics together. */
  readonly maxRetainedMessages: number
  /** Something was not stored because a bound was reached. */
  readonly onDropped: (what: 'queued' | 'retained', clientId: string | undefined) => void
  readonly onError: (error: Error) => void
  /** What is stored is less safe than it should be. */
  readonly onWarning: (why: string) => void
  /** Whether a client may have a subscription: one that is refused is not stored beside those that are granted. */
  readonly maySubscribe: (client: StoredClient, filter: string) => boolean
  /** Stored sessions that are connected to this broker. */
  readonly openSessions: () => Iterable<string>
  /** Ends the connection of a client: what it was promised can't be kept. */
  readonly cut: (client: StoredClient, why: string) => void
  /** It can't write and read, until `onUp`. Not called for a store that is within the process. */
  readonly onDown: (why: string) => void
  /**
   * It can, after it could not: a message may have been stored without its publisher and its subscribers being told, so queues have to be
   * looked through. Called before anything else is stored.
   */
  readonly onUp: () => void
}

/**
 * Where sessions, queues, retained messages and wills are kept: what aedes calls, and what the broker calls besides.
 *
 * - **Numbers.** `outgoingEnqueueCombi` sets the `brokerCounter` of each message to its place in the order of the store, before it resolves.
 *   Promises resolve in the order in which they were asked for. So what the bus tells of one broker comes with rising numbers, and a queue
 *   is read by rising numbers, those of all brokers together.
 * - **One commit.** The queues of a message, the incoming QoS 2 packet that it is and what it retains are stored together or not at all.
 *   So `incomingStorePacket`, and `storeRetained` of QoS 1 and 2, may write nothing before `outgoingEnqueueCombi` is called with the message.
 * - What rejects was perhaps stored, and must not be acknowledged.
 */
export interface Store extends Persistence {
  /** Why it can't write and read now; undefined: it can. */
  readonly whyDown: string | undefined

  /** For the broker that is set up next. */
  takeBrokerId(): Promise<string>

  /**
   * The subscriptions of a session that somebody goes on with here: it is theirs from now on, and no other broker gives out its messages.
   */
  subscriptionsByClient(client: StoredClient): Promise<StoredSubscription[]>

  /** Forgets all of a session but its incoming QoS 2 packets. */
  cleanSubscriptions(client: StoredClient): Promise<void>

  /** What was sent to a client and is not acknowledged, in order; nothing of a clean session. What was not sent, aedes is not to send. */
  outgoingStream(client: StoredClient & { readonly clean?: boolean }): Readable

  /**
   * Messages that wait for a client and were not sent to it, in order. What is stored while it is read may be among them.
   *
   * @throws SessionTakenError
   * @param from the lowest number that was left in the queue since it was empty; where all messages come from one broker, it begins there
   */
  outgoingUnsent(client: StoredClient, from: number): AsyncIterable<StoredPacket>

  /** For a session whose messages have no packet identifiers. */
  outgoingRemove(client: StoredClient, packet: PacketNumber): Promise<void>

  /** Of one session: stored, and not acknowledged by the client. */
  queuedMessages(clientId: string): Promise<number>

  /**
   * Forgets stored sessions of a subject, those that connected longest ago first, until there are fewer than `most` beside this one.
   *
   * @param isOpen whether a session is connected: it stays
   */
  makeRoomFor(clientId: string, most: number, isOpen: (clientId: string) => boolean): Promise<void>
}

export type PacketNumber = Pick<StoredPacket, 'brokerId' | 'brokerCounter'>
