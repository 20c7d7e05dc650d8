import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The root of this repository. */
export const ROOT = join(__dirname, '../../..')

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A program under test in a process of its own. */
export class Program {
  stdout = ''
  stderr = ''
  /** Resolves when the process and all that hold its output are gone. */
  readonly ended: Promise<Ended>
  readonly #process: ChildProcess

  constructor(command: string, args: string[], cwd: string, env: NodeJS.ProcessEnv = process.env) {
    this.#process = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#process.stdout?.setEncoding('utf8').on('data', text => {
      this.stdout += text
    })
    this.#process.stderr?.setEncoding('utf8').on('data', text => {
      this.stderr += text
    })
    this.ended = once(this.#process, 'close').then(([code, signal]) => {
      return { code, signal, stdout: this.stdout, stderr: this.stderr }
    })
  }

  /** Resolves when `text` was printed; rejects when the program ends without. */
  async printed(text: string): Promise<void> {
    let isOver = false
    void this.ended.then(() => {
      isOver = true
    })
    while (!this.stdout.includes(text)) {
      if (isOver) throw new Error(`Ended without printing ${text}:\n${this.stdout}${this.stderr}`)
      await Promise.race([once(this.#process.stdout as NodeJS.ReadableStream, 'data'), this.ended])
    }
  }

  kill(signal: NodeJS.Signals = 'SIGTERM'): void {
    this.#process.kill(signal)
  }
}

/** Runs a program of Node to its end. */
export function runNode(args: string[], cwd: string, env?: NodeJS.ProcessEnv): Promise<Ended> {
  return new Program(process.execPath, args, cwd, env).ended
}

/** A folder for one suite. */
export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'token-server-'))
}

export function remove(folder: string): void {
  rmSync(folder, { recursive: true, force: true })
}
