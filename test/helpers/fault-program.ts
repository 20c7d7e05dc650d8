import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { KeyAndCert } from '@token-server/certs'
import { certificates } from './certificates'
import { onCleanUp } from './loopback'

/** The keys that a program needs, as the first message it gets: they are never written to a file. */
export interface Credentials {
  readonly ca: string
  readonly server: KeyAndCert
  readonly client: KeyAndCert
}

/** A program in `test/faults/programs`, in a process of its own, that answers one question at a time. */
export class FaultProgram {
  readonly #child: ChildProcess

  constructor(child: ChildProcess) {
    this.#child = child
    onCleanUp(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    })
  }

  /** Sends `question` and resolves with the answer; rejects when the program ends instead. */
  async ask<T>(question: unknown): Promise<T> {
    return await new Promise<T>((resolve, reject) => {
      const ended = (code: number | null, signal: string | null) =>
        reject(new Error(`The program ended with ${code ?? signal} instead of an answer`))
      this.#child.once('exit', ended)
      this.#child.once('message', answer => {
        this.#child.removeListener('exit', ended)
        resolve(answer as T)
      })
      this.#child.send(question as object)
    })
  }

  /** kill -9. */
  async kill(): Promise<void> {
    if (!this.isRunning) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }
}

/** Starts a program; `limit` is a line of bash before it (`ulimit -n 64`). */
export async function startProgram(name: string, limit?: string): Promise<FaultProgram> {
  const path = join(__dirname, '../faults/programs', `${name}.js`)
  const execArgv = ['--expose-gc']
  const child =
    limit === undefined
      ? fork(path, { execArgv, env: childEnvironment() })
      : spawn('bash', ['-c', `${limit}; exec "$@"`, 'bash', process.execPath, ...execArgv, path], {
          stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
          env: childEnvironment()
        })
  const program = new FaultProgram(child)
  const { ca, server, client } = await certificates()
  await program.ask({ ca, server, client } satisfies Credentials)
  return program
}

/** Coverage wraps each process and would be measured as its memory. */
function childEnvironment(): NodeJS.ProcessEnv {
  const environment = { ...process.env }
  delete environment.NODE_OPTIONS
  delete environment.NODE_V8_COVERAGE
  return environment
}

/** Has a program answer its parent: first with "ready" to the credentials, then with what `answer` returns. */
export function answerParent(answer: (question: never, credentials: Credentials) => unknown): void {
  let credentials: Credentials | null = null
  process.on('disconnect', () => process.exit(0))
  process.on('message', message => {
    if (credentials === null) {
      credentials = message as Credentials
      process.send?.('ready')
      return
    }
    void Promise.resolve(answer(message as never, credentials)).then(result => process.send?.(result ?? null))
  })
}

/**
 * How many bytes more are in use after `run`, at least, of several times: a leak grows each time, a pool or a cache of Node once.
 */
export async function leastGrowth(run: () => Promise<unknown>, times = 4): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let time = 0; time < times; time++) {
    const before = memory().used
    await run()
    least = Math.min(least, memory().used - before)
  }
  return least
}

let collectGarbage: (() => void) | undefined = globalThis.gc

/** Memory after a collection of garbage, bytes. Zeros when no file is left to read it from. */
export function memory(): { rss: number; used: number } {
  // A process that was not started with --expose-gc gets it now.
  if (collectGarbage === undefined) {
    setFlagsFromString('--expose-gc')
    collectGarbage = runInNewContext('gc') as () => void
  }
  collectGarbage()
  try {
    const { rss, heapUsed, external } = process.memoryUsage()
    return { rss, used: heapUsed + external }
  } catch {
    return { rss: 0, used: 0 }
  }
}
