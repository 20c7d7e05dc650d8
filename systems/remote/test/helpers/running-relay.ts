import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { remove, temporaryFolder } from '@token-server/test-helpers'
import { type RunningRelay, type StartRelayOptions, startRelay } from '../../lib/server/start-relay'
import { SECRET } from './secret'

/** A whole relay on a free port of loopback, with certificates of its own, and all that it logs. */
export class RelayServer {
  readonly running: RunningRelay
  readonly ca: Buffer
  readonly folder: string
  readonly #log: string[]

  private constructor(running: RunningRelay, folder: string, log: string[]) {
    this.running = running
    this.ca = readFileSync(join(folder, 'ca/ca.crt'))
    this.folder = folder
    this.#log = log
  }

  static async start({ config, ...options }: Partial<StartRelayOptions> = {}): Promise<RelayServer> {
    const folder = temporaryFolder()
    const log: string[] = []
    const logTo = new Writable({
      write(chunk, _encoding, done) {
        log.push(String(chunk))
        done()
      }
    })
    const running = await startRelay({
      config: {
        HOST: '127.0.0.1',
        PORT: 0,
        CERTS_DIR: folder,
        JWT_SECRET: SECRET,
        LOG_LEVEL: 'debug',
        ...config
      },
      signals: false,
      logTo,
      ...options
    })
    return new RelayServer(running, folder, log)
  }

  get port(): number {
    return this.running.service.address.port
  }

  get log(): string {
    return this.#log.join('')
  }

  get tls() {
    return { ca: this.ca, servername: 'localhost' }
  }

  url(scheme: 'wss' | 'tokens' | 'https'): string {
    return `${scheme}://localhost:${this.port}`
  }

  async stop(): Promise<void> {
    await this.running.service.close()
    remove(this.folder)
  }
}
