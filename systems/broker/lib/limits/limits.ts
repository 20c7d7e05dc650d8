import type { Identity } from '@token-server/identity'
import { isServiceKind } from '../authorization/subject'
import { wrongOption } from '../errors/broker-error'
import { levelCount } from '../wire/topics'

/** Bounds of what strangers can make the broker do or keep. Each has a finite default. */
export interface BrokerLimits {
  /** From the connection to the end of its CONNECT, milliseconds. Default 5,000. */
  readonly connectTimeout: number
  /** The longest CONNECT, which holds the JWT and the will, in bytes. Default 65,536. */
  readonly maxConnectBytes: number
  /** The longest packet after CONNECT, in bytes. Default 262,144. */
  readonly maxPacketBytes: number
  /** Connections of all clients together. Default 50,000. */
  readonly maxConnections: number
  /** Connections of one device or user, by all doors. Default 20. Handlers and admins are bound by `maxConnections` only. */
  readonly maxConnectionsPerDevice: number
  /** Subscriptions of one connection of a device or user. Default 100. */
  readonly maxSubscriptionsPerDevice: number
  /** Subscriptions of one connection of a handler or admin. Default 10,000. */
  readonly maxSubscriptionsPerHandler: number
  /** Levels of a topic or filter, at most 100. Default 16. */
  readonly maxTopicLevels: number
  /** Length of a topic or filter, in characters. Default 1,024. */
  readonly maxTopicLength: number
  /** Length of a client id, and of the name of a session at the token door, in characters. Default 256. */
  readonly maxClientIdLength: number
  /**
   * Messages a second of one connection of a device or user, a longer one counted for each 16 KiB begun; ten seconds' worth may come at
   * once. What is faster waits. Default 100.
   */
  readonly maxPublishRatePerDevice: number
  /** Messages a second of one connection of a handler or admin; likewise. Default 20,000. */
  readonly maxPublishRatePerHandler: number
  /** Bytes that wait for one client. Beyond them a message of QoS 0 is dropped, and one of QoS 1 or 2 cuts the connection. Default 1,048,576. */
  readonly maxWaitingBytes: number
  /** A client that takes nothing for so long while messages of it are dropped is cut, milliseconds. Default 30,000. */
  readonly slowConsumerTimeout: number
  /** QoS 2 messages of one client that wait for its PUBREL. Default 1,000. */
  readonly maxIncomingInflight: number
  /** Messages that wait for one session, at most 60,000: packet identifiers have 16 bits. Further ones are dropped. Default 60,000. */
  readonly maxQueuedMessages: number
  /** Bytes of their payloads. Default 67,108,864. */
  readonly maxQueuedBytes: number
  /** Stored sessions of one device or user; the one that connected longest ago is forgotten for a new one. Default 20. */
  readonly maxSessionsPerDevice: number
  /** Stored sessions of one handler or admin; likewise. Default 1,000. */
  readonly maxSessionsPerHandler: number
  /** Retained messages of all topics together. Those of further topics are not retained. Default 100,000. */
  readonly maxRetainedMessages: number
}

export const DEFAULT_LIMITS: BrokerLimits = {
  connectTimeout: 5_000,
  maxConnectBytes: 65_536,
  maxPacketBytes: 262_144,
  maxConnections: 50_000,
  maxConnectionsPerDevice: 20,
  maxSubscriptionsPerDevice: 100,
  maxSubscriptionsPerHandler: 10_000,
  maxTopicLevels: 16,
  maxTopicLength: 1_024,
  maxClientIdLength: 256,
  maxPublishRatePerDevice: 100,
  maxPublishRatePerHandler: 20_000,
  maxWaitingBytes: 1_048_576,
  slowConsumerTimeout: 30_000,
  maxIncomingInflight: 1_000,
  maxQueuedMessages: 60_000,
  maxQueuedBytes: 67_108_864,
  maxSessionsPerDevice: 20,
  maxSessionsPerHandler: 1_000,
  maxRetainedMessages: 100_000
}

/** No packet of MQTT can hold a longer topic; that of a token may have been longer. */
const MOST_TOPIC_BYTES = 65_535

/** The highest value of each limit that has one. */
const HIGHEST: Partial<Record<keyof BrokerLimits, number>> = {
  maxTopicLevels: 100,
  maxTopicLength: 65_535,
  maxClientIdLength: 65_535,
  maxIncomingInflight: 65_535,
  maxQueuedMessages: 60_000,
  maxConnectBytes: 268_435_455,
  maxPacketBytes: 268_435_455,
  connectTimeout: 2 ** 31 - 1,
  slowConsumerTimeout: 2 ** 31 - 1
}

/** @throws BrokerError `ERR_BROKER_OPTION` */
export function completeLimits(given: Partial<BrokerLimits> = {}): BrokerLimits {
  for (const [name, value] of Object.entries(given)) {
    const highest = HIGHEST[name as keyof BrokerLimits] ?? Number.MAX_SAFE_INTEGER
    if (!(name in DEFAULT_LIMITS)) throw wrongOption(`limits.${name}`, 'there is no such limit')
    if (!Number.isSafeInteger(value) || value < 1 || value > highest) {
      throw wrongOption(`limits.${name}`, `it must be a whole number from 1 to ${highest}`)
    }
  }
  return Object.freeze({ ...DEFAULT_LIMITS, ...given })
}

/** Those that depend on what somebody is. */
export function limitsOf(identity: Pick<Identity, 'kind'>, limits: BrokerLimits) {
  const isService = isServiceKind(identity)
  return {
    maxConnections: isService ? limits.maxConnections : limits.maxConnectionsPerDevice,
    maxSubscriptions: isService ? limits.maxSubscriptionsPerHandler : limits.maxSubscriptionsPerDevice,
    maxPublishRate: isService ? limits.maxPublishRatePerHandler : limits.maxPublishRatePerDevice,
    maxSessions: isService ? limits.maxSessionsPerHandler : limits.maxSessionsPerDevice
  }
}

/** Of a topic or a filter, in words; undefined: it is within the limits. */
export function whyTopicTooLong(topic: string, limits: BrokerLimits): string | undefined {
  if (topic.length > limits.maxTopicLength) return `it is longer than ${limits.maxTopicLength} characters`
  if (Buffer.byteLength(topic) > MOST_TOPIC_BYTES) return `it is longer than ${MOST_TOPIC_BYTES} bytes`
  if (levelCount(topic) > limits.maxTopicLevels) return `it has more than ${limits.maxTopicLevels} levels`
  return undefined
}
