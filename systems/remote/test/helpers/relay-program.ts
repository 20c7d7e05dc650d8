import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '@token-server/test-helpers'

const PROGRAM = join(__dirname, '../../../bin/token-relay.js')

export interface RelayProgramOptions {
  /** Of the certificates; they are made by the first that is started. */
  readonly folder: string
  /** Default: a free one. */
  readonly port?: number
  readonly environment?: Readonly<Record<string, string>>
}

/** The command token-relay, as a process of its own. */
export class RelayProgram {
  readonly process: ChildProcess
  readonly port: number
  readonly #written: string[]

  private constructor(process: ChildProcess, port: number, written: string[]) {
    this.process = process
    this.port = port
    this.#written = written
  }

  static async start({ folder, port = 0, environment = {} }: RelayProgramOptions): Promise<RelayProgram> {
    const { PATH, HOME } = process.env
    const program = spawn(process.execPath, [PROGRAM], {
      cwd: folder,
      env: {
        PATH,
        HOME,
        HOST: '127.0.0.1',
        PORT: String(port),
        CERTS_DIR: folder,
        OPEN_DEVICES: 'on',
        LOG_LEVEL: 'trace',
        ...environment
      }
    })
    const written: string[] = []
    for (const stream of [program.stdout, program.stderr])
      stream?.on('data', chunk => written.push(String(chunk)))
    const listens = () => /wss:\/\/localhost:(\d+)/.exec(written.join(''))
    await until(() => listens() !== null || program.exitCode !== null)
    const [, found] = listens() ?? []
    if (found === undefined) throw new Error(`it did not start: ${written.join('')}`)
    return new RelayProgram(program, Number(found), written)
  }

  static ca(folder: string): Buffer {
    return readFileSync(join(folder, 'ca/ca.crt'))
  }

  /** All that it wrote. */
  get written(): string {
    return this.#written.join('')
  }

  /** Bytes in memory, as the system counts them. */
  get rss(): number {
    const [, kilobytes = ''] =
      /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.process.pid}/status`, 'utf8')) ?? []
    return Number(kilobytes) * 1024
  }

  async kill(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return
    const exit = once(this.process, 'exit')
    this.process.kill('SIGKILL')
    await exit
  }
}
