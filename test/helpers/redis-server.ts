import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './loopback'

/** Redis in a process of its own, on a port of loopback, with its files in a folder that goes with it. */
export class RedisServer {
  readonly port: number
  readonly #folder = mkdtempSync(join(tmpdir(), 'redis-server-'))
  readonly #args: readonly string[]
  #process: ChildProcess | null = null

  private constructor(port: number, args: readonly string[]) {
    this.port = port
    this.#args = args
  }

  static async start(...args: string[]): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), args)
    await server.start()
    return server
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  /** Again on the same port. */
  async start(): Promise<void> {
    const fixed = ['--bind', '127.0.0.1', '--port', String(this.port), '--dir', this.#folder, '--save', '']
    const started = spawn('redis-server', [...fixed, ...this.#args], { stdio: ['ignore', 'pipe', 'ignore'] })
    this.#process = started
    const exited = once(started, 'exit')
    let text = ''
    started.stdout?.setEncoding('utf8').on('data', part => {
      text += part
    })
    while (!text.includes('Ready to accept connections')) {
      if (started.exitCode !== null) throw new Error(`redis-server ended: ${text}`)
      await Promise.race([once(started.stdout as NodeJS.ReadableStream, 'data'), exited])
    }
  }

  /** Runs one command by redis-cli. @returns what it printed */
  cli(...words: string[]): string {
    const args = ['-h', '127.0.0.1', '-p', String(this.port), ...words]
    return execFileSync('redis-cli', args, { encoding: 'utf8', timeout: 10_000 }).trim()
  }

  /** It answers nothing, and its connections stay. */
  freeze(): void {
    this.#process?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#process?.kill('SIGCONT')
  }

  async kill(): Promise<void> {
    if (this.#process === null || this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const exited = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await exited
  }

  async remove(): Promise<void> {
    await this.kill()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
