import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { createVerifier, signToken, type Verifier } from '@token-server/identity'
import mqtt, { type IClientOptions, type IConnackPacket, type MqttClient } from 'mqtt'
import { type Broker, type BrokerOptions, createBroker, type Log } from '../../lib'
import { SECRET } from './secret'

export { SECRET }

/** A line of the log of a broker under test. */
export interface LogLine {
  readonly level: string
  readonly message: string
  readonly fields: Record<string, unknown>
}

/** A broker on a port of loopback without TLS, with what it logged, and clients that end with it. */
export class TestBroker {
  readonly broker: Broker
  readonly verifier: Verifier
  readonly lines: LogLine[]
  readonly #server: Server
  readonly #clients: MqttClient[] = []
  readonly #sockets = new Set<Socket>()

  private constructor(broker: Broker, verifier: Verifier, lines: LogLine[], server: Server) {
    this.broker = broker
    this.verifier = verifier
    this.lines = lines
    this.#server = server
  }

  static async start(options: Partial<BrokerOptions> = {}): Promise<TestBroker> {
    const verifier = options.verifier ?? createVerifier({ issuers: { secret: SECRET } })
    const lines: LogLine[] = []
    const broker = await createBroker({ verifier, log: logInto(lines), ...options })
    const server = createServer({ noDelay: true }, socket => {
      broker.handle(socket, { address: socket.remoteAddress ?? '', via: 'tcp' })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new TestBroker(broker, verifier, lines, server)
  }

  /** Writes into `lines`. */
  get log(): Log {
    return logInto(this.lines)
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** A client that is connected. It does not connect again. */
  async client(token: string, options: IClientOptions = {}): Promise<MqttClient> {
    const client = this.dial(token, options)
    await connack(client)
    return client
  }

  dial(token: string, options: IClientOptions = {}): MqttClient {
    const client = mqtt.connect({
      host: '127.0.0.1',
      port: this.port,
      protocol: 'mqtt',
      username: 'JWT',
      password: token,
      reconnectPeriod: 0,
      connectTimeout: 10_000,
      ...options
    })
    client.on('error', () => undefined)
    this.#clients.push(client)
    return client
  }

  async device(id: string | number, options: IClientOptions = {}): Promise<MqttClient> {
    return this.client(await deviceToken(id), options)
  }

  async handler(name: string, options: IClientOptions = {}): Promise<MqttClient> {
    return this.client(await handlerToken(name), options)
  }

  /** A bare socket, for bytes that no client would send. */
  async socket(): Promise<Socket> {
    const socket = connect(this.port, '127.0.0.1')
    socket.on('error', () => undefined)
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    await once(socket, 'connect')
    return socket
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.end(true)
    for (const socket of this.#sockets) socket.destroy()
    await this.broker.close()
    this.#server.close()
    this.verifier.close()
  }
}

export function deviceToken(id: string | number, more: object = {}): Promise<string> {
  return signToken({ user_id: id, exp: inSeconds(3600), ...more }, { secret: SECRET })
}

export function handlerToken(name: string, more: object = {}): Promise<string> {
  const claims = {
    user_id: `handler-${name}`,
    handler: { name, ip: '127.0.0.1' },
    exp: inSeconds(3600),
    ...more
  }
  return signToken(claims, { secret: SECRET })
}

export function adminToken(): Promise<string> {
  return signToken({ user_id: 'root', kind: 'admin', exp: inSeconds(3600) }, { secret: SECRET })
}

export function inSeconds(seconds: number): number {
  return Math.floor(Date.now() / 1000) + seconds
}

/** Of a connection that is accepted; rejects for one that is not. */
export function connack(client: MqttClient): Promise<IConnackPacket> {
  return new Promise((resolve, reject) => {
    client.once('connect', resolve)
    client.once('error', reject)
    client.once('close', () => reject(new Error('closed before CONNACK')))
  })
}

/** Of a connection that is refused; undefined: it was closed without CONNACK. Rejects for one that is accepted. */
export function returnCode(client: MqttClient): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    client.once('connect', () => reject(new Error('It was accepted')))
    client.once('error', error => {
      const { code } = error as { code?: unknown }
      resolve(typeof code === 'number' ? code : undefined)
    })
    client.once('close', () => resolve(undefined))
  })
}

/** Until the broker has closed the connection. */
export function closed(client: MqttClient): Promise<void> {
  return new Promise(resolve => client.once('close', () => resolve()))
}

export interface Received {
  readonly topic: string
  readonly payload: string
  readonly qos: number
  readonly retain: boolean
}

/** What a client has received, and will. */
export function inbox(client: MqttClient): Received[] {
  const received: Received[] = []
  client.on('message', (topic, payload, { qos, retain }) => {
    received.push({ topic, payload: payload.toString(), qos, retain })
  })
  return received
}

/** Until something holds; at most ten seconds. It asks again each 5 ms. */
export async function until(what: string, holds: () => boolean, most = 10_000): Promise<void> {
  const end = performance.now() + most
  while (!holds()) {
    if (performance.now() > end) throw new Error(`This did not happen in ${most} ms: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

function logInto(lines: LogLine[]): Log {
  const write = (level: string) => (fields: object, message: string) => {
    lines.push({ level, message, fields: fields as Record<string, unknown> })
  }
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
}
