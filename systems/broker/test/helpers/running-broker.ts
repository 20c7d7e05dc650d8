import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'
import { type BrokerConfig, type RunningBroker, startBroker } from '../../lib'
import { SECRET } from './test-broker'

/** The whole server on a free port of loopback, with certificates in a folder of its own, and all that it logs. */
export class TestServer {
  readonly running: RunningBroker
  readonly folder: string
  readonly #certs: string
  readonly #log: string[]
  readonly #clients: MqttClient[] = []

  private constructor(running: RunningBroker, folder: string, certs: string, log: string[]) {
    this.running = running
    this.folder = folder
    this.#certs = certs
    this.#log = log
  }

  static async start(config: Partial<BrokerConfig> = {}): Promise<TestServer> {
    const folder = mkdtempSync(join(tmpdir(), 'broker-server-'))
    const log: string[] = []
    const logTo = new Writable({
      write(chunk, _encoding, done) {
        log.push(String(chunk))
        done()
      }
    })
    const running = await startBroker({
      config: {
        HOST: '127.0.0.1',
        PORT: 0,
        CERTS_DIR: join(folder, 'certs'),
        STORE_DIR: 'memory',
        JWT_SECRET: SECRET,
        LOG_LEVEL: 'debug',
        ...config
      },
      signals: false,
      logTo
    })
    return new TestServer(running, folder, config.CERTS_DIR ?? join(folder, 'certs'), log)
  }

  get port(): number {
    return this.running.service.address.port
  }

  get ca(): Buffer {
    return readFileSync(join(this.#certs, 'ca/ca.crt'))
  }

  get log(): string {
    return this.#log.join('')
  }

  dial(token: string, options: IClientOptions = {}): MqttClient {
    const client = mqtt.connect({
      host: 'localhost',
      port: this.port,
      protocol: 'mqtts',
      ca: this.ca,
      username: 'JWT',
      password: token,
      reconnectPeriod: 0,
      ...options
    })
    client.on('error', () => undefined)
    this.#clients.push(client)
    return client
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.end(true)
    await this.running.service.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}
