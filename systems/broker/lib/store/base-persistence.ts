import type { Readable } from 'node:stream'
import type { DatabaseFacade } from './database-facade'

/** A client of aedes, as far as a store knows it. */
export interface StoredClient {
  readonly id: string
}

export interface StoredSubscription {
  readonly topic: string
  readonly qos: 0 | 1 | 2
  readonly clientId?: string
}

/** A message as aedes hands it to a store. */
export interface StoredPacket {
  readonly cmd: string
  readonly topic: string
  readonly payload: Buffer
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  readonly brokerId?: string | undefined
  brokerCounter?: number | undefined
  readonly messageId?: number | undefined
  readonly properties?: object | undefined
}

/** What aedes 1.2 calls of a store. */
export interface Persistence {
  setup(broker: { readonly id: string }): Promise<void>
  storeRetained(packet: StoredPacket): Promise<void>
  createRetainedStreamCombi(patterns: readonly string[]): Readable
  addSubscriptions(client: StoredClient, subscriptions: readonly StoredSubscription[]): Promise<void>
  removeSubscriptions(client: StoredClient, topics: readonly string[]): Promise<void>
  cleanSubscriptions(client: StoredClient): Promise<void>
  subscriptionsByClient(client: StoredClient): Promise<StoredSubscription[]>
  subscriptionsByTopic(topic: string): Promise<StoredSubscription[]>
  outgoingEnqueue(subscription: StoredSubscription, packet: StoredPacket): Promise<void>
  outgoingEnqueueCombi(subscriptions: readonly StoredSubscription[], packet: StoredPacket): Promise<void>
  outgoingUpdate(client: StoredClient, packet: StoredPacket): Promise<void>
  outgoingClearMessageId(client: StoredClient, packet: StoredPacket): Promise<StoredPacket | undefined>
  outgoingStream(client: StoredClient): Readable
  incomingStorePacket(client: StoredClient, packet: StoredPacket): Promise<void>
  incomingGetPacket(client: StoredClient, packet: StoredPacket): Promise<unknown>
  incomingDelPacket(client: StoredClient, packet: StoredPacket): Promise<void>
  cleanIncoming(client: StoredClient): Promise<void>
  putWill(client: StoredClient, packet: StoredPacket): Promise<void>
  delWill(client: StoredClient): Promise<StoredPacket | undefined>
  streamWill(brokers: object): Readable
  destroy(): Promise<void>
}

/** aedes-persistence-level with promises; it has no types of its own, and its front door has callbacks. */
export const LevelPersistence = require('aedes-persistence-level/asyncPersistence.js') as new (
  db: DatabaseFacade
) => Persistence & { readonly broker: { readonly id: string } }

/** The encoding of what it writes. */
export const { decode, encode } = require('msgpack-lite') as {
  decode(bytes: Uint8Array): unknown
  encode(value: unknown): Buffer
}
