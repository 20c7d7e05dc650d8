import type { Identity, Verifier } from '@token-server/identity'
import type { Bus } from '@token-server/service'
import {
  type Checks,
  checkOptions,
  isFlag,
  isPayload,
  isText,
  needed,
  only
} from '@token-server/service/options'
import { wrongOption } from '../errors/broker-error'
import { type BrokerLimits, whyTopicTooLong } from '../limits/limits'
import { isTopicFilter, isTopicName } from '../wire/topics'
import type { Credentials } from './admission'
import type { AedesPacket } from './aedes-packet'
import type { Log } from './log'

export interface BrokerOptions {
  /** Says who a JWT speaks for, and when that ends. */
  readonly verifier: Verifier
  /**
   * Who a client is, by other credentials than the user name `JWT` and a token. Rejects for one that is refused: by CONNACK 4 for a malformed
   * token (`JwtError`), else by 5.
   */
  readonly authenticate?: (credentials: Credentials) => Promise<Identity>
  /** Where sessions, queues, retained messages and wills are kept; without it they are lost with the process. */
  readonly folder?: string
  /**
   * Keeps it in a Redis (`redis://…` or `rediss://…`) instead, which several brokers may share; not in Redis Cluster. How much it keeps when it is
   * killed is its own matter: `appendonly yes`, see the README.
   */
  readonly redisUrl?: string
  /** What all keys in Redis begin with: brokers with the same one share what they store. Default `token-broker`. */
  readonly redisPrefix?: string
  /** Within it Redis must answer, else a message is not acknowledged, 100 to 60,000 milliseconds. Default 5,000. */
  readonly redisTimeout?: number
  /** In Redis, after so long a session is forgotten that nobody has come back to, at least 1,000 milliseconds. Default 7 days. */
  readonly sessionTtl?: number
  /** Whether each commit waits for the disk. Without it a killed process loses nothing that was acknowledged; a loss of power may. Default false. */
  readonly sync?: boolean
  /**
   * To the other brokers that share the store, of `@token-server/service`: their messages reach subscribers here, and a client that connects
   * here is closed there. Default: this is the only one.
   */
  readonly bus?: Bus
  /** Patterns of further topics that devices may publish to, such as `contacts/#`. The first segment is no wildcard. Default none. */
  readonly commands?: readonly string[]
  readonly limits?: Partial<BrokerLimits>
  /** Default: silent. */
  readonly log?: Log
}

/** A message of this process. */
export interface Outgoing {
  readonly topic: string
  readonly payload: Buffer | string
  /** Default 0. */
  readonly qos?: 0 | 1 | 2
  /** Default false. */
  readonly retain?: boolean
}

/** A message for a listener of this process. Its payload must not be changed. */
export interface Message {
  readonly topic: string
  readonly payload: Buffer
  readonly qos: 0 | 1 | 2
  /** Who published it, as the broker verified it; undefined: this process did. */
  readonly sender: { readonly id: string; readonly kind: string } | undefined
}

/** One of the open connections. */
export interface ConnectionInfo {
  readonly connection: string
  readonly user: string
  readonly clientId: string
  readonly address?: string
  readonly since: number
  readonly subscriptions: readonly string[]
  readonly waitingBytes: number
}

/** @throws BrokerError `ERR_BROKER_OPTION` */
export function checkCommands(patterns: readonly string[] = []): void {
  for (const pattern of patterns) checkCommand(pattern)
}

function checkCommand(pattern: string): void {
  if (!isTopicFilter(pattern)) throw wrongOption('commands', `"${pattern}" is no topic filter`)
  if (/^[+#$]/.test(pattern)) {
    throw wrongOption(
      'commands',
      `"${pattern}" begins with a wildcard or "$", and would belong to users as well`
    )
  }
}

const OUTGOING: Checks<Outgoing> = {
  topic: needed(isText),
  payload: needed(isPayload),
  qos: only(0, 1, 2),
  retain: isFlag
}

/** @param isShared other brokers get it as well, and what they take is bounded */
export function whyNotPublish(
  message: Outgoing,
  limits: BrokerLimits,
  isShared: boolean
): string | undefined {
  try {
    checkOptions(message, OUTGOING, (name, why) => new Error(`of its ${name}: ${why}`))
  } catch (error) {
    return (error as Error).message
  }
  const { topic, payload } = message
  if (!isTopicName(topic)) return 'its topic has a wildcard, or a character that MQTT forbids'
  const tooLong = whyTopicTooLong(topic, limits)
  if (tooLong !== undefined) return `of its topic: ${tooLong}`
  const length = Buffer.byteLength(payload)
  if (isShared && length > limits.maxPacketBytes) {
    return `its payload has ${length} bytes, maxPacketBytes is ${limits.maxPacketBytes}`
  }
  return undefined
}

/** @param sender undefined: this process publishes it */
export function packetOf(
  { topic, payload, qos = 0, retain = false }: Outgoing,
  sender?: Identity
): AedesPacket {
  const packet: AedesPacket = {
    cmd: 'publish',
    topic,
    payload: Buffer.from(payload),
    qos,
    retain,
    dup: false
  }
  if (sender !== undefined) packet.properties = { userProperties: { sub: sender.id, kind: sender.kind } }
  return packet
}
