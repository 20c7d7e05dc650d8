import { createBus } from '@token-server/service'
import { closesWhatItOpened, freePort, onCleanUp, RedisServer, TcpProxy } from '@token-server/test-helpers'
import type { IClientOptions, MqttClient } from 'mqtt'
import type { BrokerOptions } from '../../lib'
import { handlerToken, TestBroker, until } from './test-broker'

export { closesWhatItOpened }

/** Brokers in this process on one Redis, each of which may be cut off from it. */
export class BrokerGroup {
  readonly redis: RedisServer
  readonly brokers: readonly TestBroker[]
  readonly #proxies: readonly TcpProxy[]

  private constructor(redis: RedisServer, brokers: TestBroker[], proxies: TcpProxy[]) {
    this.redis = redis
    this.brokers = brokers
    this.#proxies = proxies
  }

  /** Ends with the test. */
  static async start(count: number, options: Partial<BrokerOptions> = {}): Promise<BrokerGroup> {
    const redis = await RedisServer.start('--appendonly', 'yes', '--appendfsync', 'everysec')
    onCleanUp(() => redis.remove())
    const brokers: TestBroker[] = []
    const proxies: TcpProxy[] = []
    for (let index = 0; index < count; index++) {
      const proxy = await TcpProxy.to(redis.port)
      const url = `redis://127.0.0.1:${proxy.port}`
      const { maxPacketBytes = 262_144 } = options.limits ?? {}
      const bus = createBus({ name: 'broker', url, maxMessageBytes: maxPacketBytes + 200_000 })
      onCleanUp(() => bus.close())
      const broker = await TestBroker.start({ redisUrl: url, redisTimeout: 2_000, bus, ...options })
      onCleanUp(() => broker.stop())
      await bus.ready
      brokers.push(broker)
      proxies.push(proxy)
    }
    return new BrokerGroup(redis, brokers, proxies)
  }

  /** It reaches Redis no more, neither its store nor the bus. */
  async cutOff(index: number): Promise<void> {
    const proxy = this.#proxies[index] as TcpProxy
    proxy.target = await freePort()
    proxy.cutAll()
  }

  heal(index: number): void {
    ;(this.#proxies[index] as TcpProxy).target = this.redis.port
  }

  /** A handler with a kept session, which connects again and again. */
  async session(index: number, name: string, options: IClientOptions = {}): Promise<MqttClient> {
    const broker = this.brokers[index] as TestBroker
    const client = broker.dial(await handlerToken(name), {
      clientId: name,
      clean: false,
      reconnectPeriod: 100,
      ...options
    })
    await until(`${name} is connected`, () => client.connected)
    return client
  }
}

export interface LoadOptions {
  readonly topic: string
  readonly qos: 1 | 2
  /** Default: until it is told to stop. */
  readonly most?: number
  /** In flight at once. Default 20. */
  readonly inFlight?: number
  /** Stands before each number. */
  readonly prefix?: string
}

/** Publishes numbers, each once, as fast as they are acknowledged. */
export class Load {
  readonly acknowledged = new Set<string>()
  #next = 0
  #open = 0
  #isOver = false
  readonly #publish: () => void

  constructor(client: MqttClient, options: LoadOptions) {
    const { topic, qos, most = Number.POSITIVE_INFINITY, inFlight = 20, prefix = '' } = options
    this.#publish = () => {
      if (this.#isOver || this.#next >= most) return
      const id = `${prefix}${this.#next++}`
      this.#open++
      client.publish(topic, id, { qos }, error => {
        this.#open--
        if (!error) this.acknowledged.add(id)
        setImmediate(this.#publish)
      })
    }
    for (let i = 0; i < inFlight; i++) this.#publish()
  }

  /** Resolves when all that was sent is acknowledged. */
  async stop(): Promise<void> {
    this.#isOver = true
    await until('all is acknowledged', () => this.#open === 0, 30_000)
  }
}

/** How often each payload came. */
export function tally(client: MqttClient, counts = new Map<string, number>()): Map<string, number> {
  client.on('message', (_topic, payload) => {
    const text = payload.toString()
    counts.set(text, (counts.get(text) ?? 0) + 1)
  })
  return counts
}

export function missingOf(load: Load, counts: ReadonlyMap<string, number>): string[] {
  return [...load.acknowledged].filter(id => !counts.has(id))
}
