import {
  type Checks,
  checkOption,
  checkOptions,
  isFlag,
  isFunction,
  isPayload,
  isText,
  only
} from '@token-server/service/options'
import { wrongOption } from './topic-error'

/** A message of a subscription. */
export interface TopicMessage {
  readonly topic: string
  readonly payload: Buffer
  readonly qos: 0 | 1 | 2
  /** Who published it, as the broker verified it. undefined: the broker's own process, or, by MQTT, a message that does not say. */
  readonly sender: Sender | undefined
  /** It was retained before the subscription. */
  readonly retain: boolean
  /** 1, and more for a message that comes again because the listener failed. */
  readonly attempt: number
}

export interface Sender {
  readonly id: string
  /** By MQTT undefined. */
  readonly kind: string | undefined
}

export interface SubscribeOptions {
  /** Default 1. */
  readonly qos?: 0 | 1 | undefined
}

export interface PublishOptions {
  /** Default 1. */
  readonly qos?: 0 | 1 | undefined
  /** Default false. */
  readonly retain?: boolean | undefined
}

const SUBSCRIBE: Checks<SubscribeOptions> = { qos: only(0, 1) }
const PUBLISH: Checks<PublishOptions> = { qos: only(0, 1), retain: isFlag }

/** @throws TopicError `ERR_TOPIC_OPTION` */
export function checkSubscribe(filter: string, listener: TopicListener, options: SubscribeOptions): void {
  checkOption('filter', filter, isText, wrongOption)
  checkOption('listener', listener, isFunction, wrongOption)
  checkOptions(options, SUBSCRIBE, wrongOption)
}

/** @throws TopicError `ERR_TOPIC_OPTION` */
export function checkPublish(topic: string, payload: Uint8Array | string, options: PublishOptions): void {
  checkOption('topic', topic, isText, wrongOption)
  checkOption('payload', payload, isPayload, wrongOption)
  checkOptions(options, PUBLISH, wrongOption)
}

/** A message was received when the promise resolves; when it rejects, a message with QoS 1 comes again. */
export type TopicListener = (message: TopicMessage) => unknown

/** Topics, whatever carries them: what handlers need of a `TopicClient`, or of an MQTT client by `overMqtt`. */
export interface Topics {
  /** Resolves when the broker has granted it. */
  subscribe(filter: string, listener: TopicListener, options?: SubscribeOptions): Promise<void>
  /** Resolves, with QoS 1, when the message is stored and given out. */
  publish(topic: string, payload: Uint8Array | string, options?: PublishOptions): Promise<void>
}
