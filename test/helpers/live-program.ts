import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { certificates } from './certificates'
import { onCleanUp } from './loopback'

/** What a program tells of itself, at `at`, by the clock of {@link monotonic}. */
export interface Note {
  readonly what: string
  readonly at: number
}

/** Milliseconds of the clock that all processes of the machine share and nobody can set. */
export function monotonic(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** Where and how a program runs. */
export interface Surroundings {
  /** The network namespace; default this process's own. */
  readonly namespace?: string
  readonly env?: NodeJS.ProcessEnv
}

/** A program in `test/faults/programs` that takes orders and tells what happens, in a process of its own. */
export class LiveProgram<Order extends object, N extends Note> {
  readonly notes: N[] = []
  readonly pid: number
  readonly #child: ChildProcess
  #ended: string | null = null
  #wake: () => void = () => {}
  #change!: Promise<void>

  private constructor(child: ChildProcess) {
    this.#child = child
    this.pid = child.pid as number
    this.#changed()
    child.on('message', note => {
      this.notes.push(note as N)
      this.#changed()
    })
    child.on('error', error => this.#end(String(error)))
    child.on('exit', (code, signal) => this.#end(`${code ?? signal}`))
    onCleanUp(() => this.kill())
  }

  /** Starts it; it has its certificates when this resolves. */
  static async start<Order extends object, N extends Note>(
    name: string,
    { namespace, env }: Surroundings = {}
  ): Promise<LiveProgram<Order, N>> {
    const path = join(__dirname, '../faults/programs', `${name}.js`)
    const command = [process.execPath, '--enable-source-maps', path]
    if (namespace !== undefined) command.unshift('ip', 'netns', 'exec', namespace)
    const environment = { ...process.env, ...env }
    // Coverage wraps each process and costs time in it.
    delete environment.NODE_OPTIONS
    delete environment.NODE_V8_COVERAGE
    const child = spawn(command[0] as string, command.slice(1), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: environment
    })
    const program = new LiveProgram<Order, N>(child)
    const { ca, server, client } = await certificates()
    child.send({ ca, server, client })
    await program.told('ready' as N['what'])
    return program
  }

  order(order: Order): void {
    this.#child.send(order)
  }

  /** All that it told of `what`, optionally only what fits. */
  all<W extends N['what']>(
    what: W,
    fits: (note: Extract<N, { what: W }>) => boolean = () => true
  ): Extract<N, { what: W }>[] {
    const found = this.notes.filter(note => note.what === what) as Extract<N, { what: W }>[]
    return found.filter(fits)
  }

  /** The first note of `what` that fits, also one that has come; rejects when the program ends without. */
  async told<W extends N['what']>(
    what: W,
    fits?: (note: Extract<N, { what: W }>) => boolean
  ): Promise<Extract<N, { what: W }>> {
    for (;;) {
      const [first] = this.all(what, fits)
      if (first !== undefined) return first
      if (this.#ended !== null) throw new Error(`The program ended with ${this.#ended}, without "${what}"`)
      await this.#change
    }
  }

  /** Gives the order and resolves with the note that answers it: the next of `what`. */
  async ask<W extends N['what']>(order: Order, what: W): Promise<Extract<N, { what: W }>> {
    const before = this.all(what).length
    this.order(order)
    for (;;) {
      const note = this.all(what)[before]
      if (note !== undefined) return note
      if (this.#ended !== null) throw new Error(`The program ended with ${this.#ended}, without "${what}"`)
      await this.#change
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Kills it and resolves when it is gone. */
  async kill(): Promise<void> {
    if (this.#ended !== null) return
    this.#child.kill('SIGKILL')
    if (this.#ended === null && this.#child.exitCode === null && this.#child.signalCode === null)
      await once(this.#child, 'exit')
  }

  #end(how: string): void {
    this.#ended ??= how
    this.#changed()
  }

  #changed(): void {
    this.#wake()
    this.#change = new Promise(resolve => {
      this.#wake = resolve
    })
  }
}
