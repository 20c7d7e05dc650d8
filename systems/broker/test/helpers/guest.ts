import { once } from 'node:events'
import type { Socket } from 'node:net'
import { clientOptions, onCleanUp } from '@token-server/test-helpers'
import type { IClientOptions, MqttClient } from 'mqtt'
import { TokenClient } from 'token-server'
import { type WebSocket, WebSocketServer } from 'ws'
import { WebSocketStream } from '../../lib/server/websocket-stream'
import { decodeFrame, encodeFrame, type Header } from '../../lib/wire/token-frame'
import { connack, inbox, type Received } from './test-broker'
import type { TestDoor } from './test-door'

export const DOORS = ['MQTT over TCP', 'MQTT over WebSocket', 'the token door'] as const
export type DoorName = (typeof DOORS)[number]

export interface GuestOptions {
  /** Name of a session that is kept. */
  readonly session?: string
  /** By MQTT only. */
  readonly will?: NonNullable<IClientOptions['will']>
}

/** A client of any door, for rules that hold at each of them. */
export interface Guest {
  readonly received: readonly Pick<Received, 'topic' | 'payload'>[]
  readonly isThere: boolean
  /** Until the broker has closed its connection. */
  readonly ended: Promise<void>
  /** @returns whether it was granted */
  subscribe(filter: string, qos?: 0 | 1): Promise<boolean>
  /** With QoS 1 unless it says otherwise. @returns whether it was acknowledged, which QoS 0 by MQTT is not */
  publish(
    topic: string,
    payload?: string | Buffer,
    options?: { qos?: 0 | 1; retain?: boolean }
  ): Promise<boolean>
  /** Shows a fresh token. @returns whether it was acknowledged */
  renew(token: string): Promise<boolean>
  /** Takes no further message. @returns goes on */
  stall(): () => void
  leave(): Promise<void>
}

/** Comes in by a door. @returns undefined: it was refused */
export async function enter(
  door: TestDoor,
  by: DoorName,
  token: string,
  options: GuestOptions = {}
): Promise<Guest | undefined> {
  if (by === 'the token door') return await TokenGuest.enter(door, token, options)
  const way =
    by === 'MQTT over TCP'
      ? {}
      : ({ protocol: 'ws', port: await webSocketPort(door), path: '/mqtt' } as const)
  const { session, will } = options
  const client = door.test.dial(token, {
    ...way,
    ...(session === undefined ? {} : { clientId: session, clean: false }),
    ...(will === undefined ? {} : { will })
  })
  const guest = new MqttGuest(client)
  return await connack(client).then(
    () => guest,
    () => undefined
  )
}

/** A connection that says nothing. Resolves when the broker has closed it. */
export async function sayNothing(door: TestDoor, by: DoorName): Promise<void> {
  if (by === 'the token door') {
    const bare = await door.bare()
    await bare.closed()
  } else if (by === 'MQTT over TCP') {
    const socket: Socket = await door.test.socket()
    await once(socket.resume(), 'close')
  } else {
    const { default: Client } = await import('ws')
    const socket = new Client(`ws://127.0.0.1:${await webSocketPort(door)}/mqtt`, ['mqtt'])
    await once(socket, 'close')
  }
}

const webSocketPorts = new WeakMap<TestDoor, number>()

/** A port that hands its WebSockets to the broker, as `startBroker` does. */
async function webSocketPort(door: TestDoor): Promise<number> {
  const known = webSocketPorts.get(door)
  if (known !== undefined) return known
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  server.on('connection', (socket: WebSocket) => {
    door.test.broker.handle(new WebSocketStream(socket as never), { via: 'wss', address: '127.0.0.1' })
  })
  onCleanUp(() => {
    for (const socket of server.clients) socket.terminate()
    server.close()
  })
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  webSocketPorts.set(door, port)
  return port
}

class MqttGuest implements Guest {
  readonly received: Received[]
  readonly ended: Promise<void>
  readonly #client: MqttClient

  constructor(client: MqttClient) {
    this.#client = client
    this.received = inbox(client)
    this.ended = new Promise(resolve => client.once('close', () => resolve()))
  }

  get isThere(): boolean {
    return this.#client.connected
  }

  async subscribe(filter: string, qos: 0 | 1 = 1): Promise<boolean> {
    return await this.#unlessEnded(this.#client.subscribeAsync(filter, { qos }))
  }

  async publish(
    topic: string,
    payload: string | Buffer = '',
    { qos = 1, retain = false }: { qos?: 0 | 1; retain?: boolean } = {}
  ): Promise<boolean> {
    return await this.#unlessEnded(this.#client.publishAsync(topic, payload, { qos, retain }))
  }

  renew(token: string): Promise<boolean> {
    return this.publish('$token', token)
  }

  stall(): () => void {
    const waiting: (() => void)[] = []
    this.#client.handleMessage = (_packet, done) => void waiting.push(done)
    return () => {
      this.#client.handleMessage = (_packet, done) => done()
      for (const done of waiting) done()
    }
  }

  async leave(): Promise<void> {
    if (this.isThere) await this.#client.endAsync()
    else this.#client.end(true)
  }

  /** MQTT.js keeps what is not acknowledged for the next connection. */
  #unlessEnded(answer: Promise<unknown>): Promise<boolean> {
    return Promise.race([
      answer.then(
        () => true,
        () => false
      ),
      this.ended.then(() => false)
    ])
  }
}

class TokenGuest implements Guest {
  readonly received: Pick<Received, 'topic' | 'payload'>[] = []
  readonly #client: TokenClient
  #stalled: Promise<void> | undefined

  private constructor(client: TokenClient) {
    this.#client = client
    client.handle(token => this.#take(decodeFrame(Buffer.from(token))), { concurrency: 1 })
    client.on('error', () => undefined)
  }

  static async enter(
    door: TestDoor,
    token: string,
    { session }: GuestOptions
  ): Promise<TokenGuest | undefined> {
    const client = new TokenClient(await clientOptions(door.port))
    const guest = new TokenGuest(client)
    onCleanUp(() => guest.leave())
    const isIn = await guest.#ask({ type: 'connect', token, session })
    return isIn ? guest : undefined
  }

  get isThere(): boolean {
    return this.#client.connection?.isOpen ?? false
  }

  get ended(): Promise<void> {
    return this.#client.closed.then(() => undefined)
  }

  subscribe(filter: string, qos: 0 | 1 = 1): Promise<boolean> {
    return this.#ask({ type: 'subscribe', filter, qos })
  }

  publish(topic: string, payload: string | Buffer = '', options: object = {}): Promise<boolean> {
    return this.#ask({ type: 'publish', topic, ...options }, Buffer.from(payload))
  }

  renew(token: string): Promise<boolean> {
    return this.#ask({ type: 'renew', token })
  }

  stall(): () => void {
    const { promise, resolve } = withResolvers()
    this.#stalled = promise
    return resolve
  }

  async leave(): Promise<void> {
    this.#client.close({ timeout: 0 })
    await this.#client.closed
  }

  async #ask(header: Header, payload?: Buffer): Promise<boolean> {
    try {
      const answer = await this.#client.request(encodeFrame(header, payload))
      return decodeFrame(Buffer.from(answer)).header.type !== 'refused'
    } catch {
      return false
    }
  }

  #take({ header, payload }: ReturnType<typeof decodeFrame>): Promise<void> | undefined {
    if (header.type !== 'message') return undefined
    this.received.push({ topic: String(header.topic), payload: payload.toString() })
    return this.#stalled
  }
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {}
  const promise = new Promise<void>(done => {
    resolve = done
  })
  return { promise, resolve }
}
