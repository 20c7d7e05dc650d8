import { clientOptions, onCleanUp, portOf, serverOptions } from '@token-server/test-helpers'
import {
  type Connection,
  TokenClient,
  type TokenClientOptions,
  TokenServer,
  type TokenServerOptions
} from 'token-server'
import { type BrokerOptions, openTokenDoor, type TokenDoor, type TokenDoorOptions } from '../../lib'
import { TopicClient, type TopicClientOptions } from '../../lib/client'
import { decodeFrame, encodeFrame, type Frame, type Header } from '../../lib/wire/token-frame'
import { TestBroker } from './test-broker'

/** A broker with MQTT and a token door, each on a port of loopback; all of it ends after the test. */
export class TestDoor {
  readonly test: TestBroker
  readonly server: TokenServer
  readonly door: TokenDoor

  private constructor(test: TestBroker, server: TokenServer, door: TokenDoor) {
    this.test = test
    this.server = server
    this.door = door
  }

  static async start(
    options: {
      broker?: Partial<BrokerOptions>
      server?: TokenServerOptions
      door?: Partial<TokenDoorOptions>
    } = {}
  ): Promise<TestDoor> {
    const test = await TestBroker.start(options.broker)
    const server = new TokenServer(await serverOptions({ session: true, ...options.server }))
    const { broker, verifier } = test
    const door = openTokenDoor({ broker, verifier, server, log: test.log, ...options.door })
    await server.ready
    const made = new TestDoor(test, server, door)
    onCleanUp(() => made.stop())
    return made
  }

  get port(): number {
    return portOf(this.server)
  }

  /** A client of frames, for what a `TopicClient` would not say. */
  async bare(over: Partial<TokenClientOptions> = {}): Promise<BareClient> {
    const client = new TokenClient(await clientOptions(this.port, over))
    client.on('error', () => undefined)
    const bare = new BareClient(client)
    onCleanUp(() => bare.stop())
    await client.ready
    return bare
  }

  /** Not yet connected. Without `token` it is the handler that its certificate names: ann. */
  async dial(options: Partial<TopicClientOptions> = {}): Promise<TopicClient> {
    const client = new TopicClient({ connect: await clientOptions(this.port), ...options })
    client.on('error', () => undefined)
    onCleanUp(() => client.close({ timeout: 0 }))
    return client
  }

  async client(options: Partial<TopicClientOptions> = {}): Promise<TopicClient> {
    const client = await this.dial(options)
    await client.ready
    return client
  }

  /** Cuts the transport of all clients: their sessions of token/2 go on. */
  cut(): void {
    for (const connection of this.server.connections) connection.socket.destroy()
  }

  /** Ends the connections of all clients for good. */
  loseSessions(): void {
    for (const connection of this.server.connections) connection.destroy()
  }

  connections(): Connection[] {
    return [...this.server.connections]
  }

  async stop(): Promise<void> {
    this.server.close({ timeout: 0 })
    await this.server.closed
    await this.test.stop()
  }
}

/** Says and hears single frames. */
export class BareClient {
  readonly client: TokenClient
  readonly frames: Frame[] = []
  /** What the handler does with a message; it is settled at once without one. */
  onMessage: ((frame: Frame) => unknown) | undefined

  constructor(client: TokenClient) {
    this.client = client
    client.handle(
      async token => {
        const frame = decodeFrame(Buffer.from(token))
        this.frames.push(frame)
        await this.onMessage?.(frame)
      },
      { concurrency: 1_000 }
    )
    client.on('handlerError', () => undefined)
  }

  async ask(header: Header, payload?: Uint8Array): Promise<Header> {
    return await this.askBytes(encodeFrame(header, payload))
  }

  async askBytes(token: Uint8Array): Promise<Header> {
    return decodeFrame(await this.client.request(token)).header
  }

  get headers(): Header[] {
    return this.frames.map(({ header }) => header)
  }

  /** Until the broker has closed the connection. */
  async closed(): Promise<Header[]> {
    await this.client.closed
    return this.headers
  }

  async stop(): Promise<void> {
    this.client.close({ timeout: 0 })
    await this.client.closed
  }
}
