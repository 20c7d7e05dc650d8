import { isUtf8 } from 'node:buffer'
import { checkOption, has } from '@token-server/service/options'
import { wrongOption } from '../client/topic-error'
import {
  checkPublish,
  checkSubscribe,
  type Sender,
  type TopicListener,
  type TopicMessage,
  type Topics
} from '../client/topics'
import { matches } from '../wire/topics'

/** What of MQTT.js is used: a client of `mqtt` 5 is one. */
export interface MqttClientLike {
  subscribeAsync(filter: string, options: { qos: 0 | 1 }): Promise<{ topic: string; qos: number }[]>
  publishAsync(
    topic: string,
    payload: string | Buffer,
    options: { qos: 0 | 1; retain: boolean }
  ): Promise<unknown>
  handleMessage(packet: MqttPacketLike, done: (error?: Error) => void): void
}

export interface MqttPacketLike {
  readonly topic: string
  readonly payload: string | Buffer
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  readonly messageId?: number
}

/** SUBACK: refused. */
const REFUSED = 0x80

/** What MQTT.js 5 has and does not declare. */
interface Acknowledging {
  _sendPacket(packet: { cmd: 'puback'; messageId: number }): void
}

/**
 * Topics by an MQTT client, for handlers: one message after another, and PUBACK when the handler is done. A message that it could not
 * handle is not acknowledged, so that it comes again at the next connection, if the session is kept (`clean: false`). Call it, and subscribe,
 * in the turn in which the client is made: messages of a kept session come at once.
 *
 * The sender is the `user_id` of a JSON object, which the broker has set for devices and users. **Who has a handler's token can write any
 * `user_id`**: where that matters, use the token door, where the sender is a field of its own.
 */
export function overMqtt(client: MqttClientLike): Topics {
  checkOption('client', client, has('subscribeAsync', 'publishAsync'), wrongOption)
  const listeners = new Map<string, TopicListener>()
  let last: Promise<unknown> = Promise.resolve()
  // MQTT.js reads nothing before `done`, not even PUBACK for what the handler publishes. With an error it goes on and acknowledges nothing.
  client.handleMessage = (packet, done) => {
    done(new Error('It is acknowledged later'))
    last = last.then(async () => {
      const found = listenersOf(packet.topic)
      if (found.length === 0) return // it is for a subscription that this program has not made
      await Promise.all(found.map(listener => listener(messageOf(packet))))
      if (packet.qos !== 1 || packet.messageId === undefined) return
      ;(client as unknown as Acknowledging)._sendPacket({ cmd: 'puback', messageId: packet.messageId })
    })
    last = last.catch(() => undefined) // it is not acknowledged
  }
  const listenersOf = (topic: string) => {
    return [...listeners].filter(([filter]) => matches(filter, topic)).map(([, listener]) => listener)
  }
  return {
    async subscribe(filter, listener, options = {}) {
      checkSubscribe(filter, listener, options)
      const { qos = 1 } = options
      listeners.set(filter, listener)
      const [granted] = await client.subscribeAsync(filter, { qos })
      if (granted?.qos !== REFUSED) return
      listeners.delete(filter)
      throw new Error(`Cannot subscribe to ${filter}: because the broker refused it`)
    },
    async publish(topic, payload, options = {}) {
      checkPublish(topic, payload, options)
      const { qos = 1, retain = false } = options
      const bytes = typeof payload === 'string' ? payload : Buffer.from(payload)
      await client.publishAsync(topic, bytes, { qos, retain })
    }
  }
}

function messageOf({ topic, payload, qos, retain }: MqttPacketLike): TopicMessage {
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload
  return { topic, payload: bytes, qos, retain, sender: senderIn(bytes), attempt: 1 }
}

function senderIn(payload: Buffer): Sender | undefined {
  // The broker has set it in what is JSON alone.
  if (!isUtf8(payload)) return undefined
  try {
    const id = (JSON.parse(payload.toString()) as { user_id?: unknown } | null)?.user_id
    if (typeof id === 'string' || typeof id === 'number') return { id: String(id), kind: undefined }
  } catch {
    // no JSON: it names nobody
  }
  return undefined
}
