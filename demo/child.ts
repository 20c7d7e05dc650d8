import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

interface Slot<Message> {
  readonly told: Promise<Message>
  readonly resolve: (message: Message) => void
}

/** A program of the demo in a process of its own, and what it tells. */
export class Child<Message extends { readonly kind: string }> {
  /** Rejects with what the program could not do; never resolves. */
  readonly failed: Promise<never>
  /** Resolves when the process is gone. */
  readonly gone: Promise<unknown>

  readonly #process: ChildProcess
  readonly #slots = new Map<string, Slot<Message>>()

  /** @param name of the program: `server` or `client` */
  constructor(name: string, args: string[], onMessage: (message: Message) => void = () => {}) {
    this.#process = fork(join(__dirname, `${name}.js`), args)
    this.#process.on('message', (message: Message) => {
      this.#slot(message.kind).resolve(message)
      onMessage(message)
    })
    this.gone = once(this.#process, 'exit')
    this.failed = this.#watch(name)
    this.failed.catch(() => {})
  }

  /** The first message of a kind, also when it came before it was asked for. */
  told<K extends Message['kind']>(kind: K): Promise<Extract<Message, { readonly kind: K }>> {
    return this.#slot(kind).told as Promise<Extract<Message, { readonly kind: K }>>
  }

  send(message: string): void {
    this.#process.send(message)
  }

  kill(): void {
    this.#process.kill()
  }

  #watch(name: string): Promise<never> {
    return new Promise((_resolve, reject) => {
      this.#process.on('message', (message: { kind: string; message: string }) => {
        if (message.kind === 'failed') reject(new Error(message.message))
      })
      this.#process.on('exit', (code, signal) => {
        reject(new Error(`The ${name} program ended with ${signal ?? `exit code ${code}`}`))
      })
    })
  }

  #slot(kind: string): Slot<Message> {
    const existing = this.#slots.get(kind)
    if (existing) return existing
    let resolve!: (message: Message) => void
    const told = new Promise<Message>(settle => {
      resolve = settle
    })
    const slot = { told, resolve }
    this.#slots.set(kind, slot)
    return slot
  }
}
