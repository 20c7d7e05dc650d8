import type { KnownState } from '../../lib/client/status'
import { COMMAND_TIMEOUT, readDescription } from './description'
import { type ClientStatus, connect, createClient, isAble } from './doors'
import { failureOf, type Outcome } from './outcome'
import type { DeviceRecord, Records } from './records'

/** How things stand with a device. */
export type Connection =
  | 'connecting'
  /** Nobody answers, for some seconds by now. */
  | 'unreachable'
  /** Both ends have proven that they have the key. */
  | 'online'
  /** The owner of the device has not yet said that this phone may come in. */
  | 'not-approved'
  /** The relay is there, and the device is not. */
  | 'offline'
  | 'bad-key'
  /** Dialling again is of no use. */
  | 'closed'
  /** This browser can't make the keys. */
  | 'too-old'

/** A command that may still be answered. */
interface Pending {
  /** When its button was pressed, milliseconds since 1970. */
  readonly since: number
  /** Milliseconds until it is given up. */
  readonly timeout: number
}

/** One command, from the press of its button on. */
export type Run =
  /** There is no session yet that could carry it. */
  | (Pending & { readonly phase: 'sending' })
  /** It has left. */
  | (Pending & { readonly phase: 'waiting'; readonly progress?: unknown })
  | { readonly phase: 'done'; readonly answer: unknown }
  | { readonly phase: 'failed'; readonly outcome: Outcome }

/** Milliseconds of trying until the page says that nobody answers. */
const PATIENCE = 4_000

/** Milliseconds for which one question to the owner is open; it is asked again then. */
const APPROVAL_TIMEOUT = 600_000

/** A device that is open in the page: its connection, its commands and what it said last. */
export class Session {
  readonly id: string
  readonly #records: Records
  readonly #client = createClient()
  readonly #runs = new Map<string, Run>()
  readonly #stops = new Map<string, AbortController>()
  readonly #listeners = new Set<() => void>()
  #connection: Connection = 'connecting'
  #why: string | undefined
  #isWatching = false
  #isClosed = false
  #patience: ReturnType<typeof setTimeout> | undefined

  constructor(id: string, records: Records) {
    this.id = id
    this.#records = records
    this.#client.setStatusHandler((status, error) => this.#statusIs(status, error?.reason))
    const record = records.get(id)
    if (record === undefined) return
    void this.#open(record)
  }

  get connection(): Connection {
    return this.#connection
  }

  /** A word of the device or the relay, why it is so. */
  get why(): string | undefined {
    return this.#why
  }

  /** Whether there is a session now, which carries what is sent. */
  get isReady(): boolean {
    return this.#client.status === 'ready'
  }

  /** Nothing can be sent, now or later. */
  get isOver(): boolean {
    const { connection, why } = this
    return (
      connection === 'closed' || connection === 'too-old' || (connection === 'bad-key' && why === 'revoked')
    )
  }

  /** Whether the state that is shown changes by itself. */
  get isLive(): boolean {
    return this.#isWatching && this.#connection === 'online'
  }

  runOf(event: string): Run | undefined {
    return this.#runs.get(event)
  }

  /** @param timeout milliseconds from now on */
  async run(event: string, payload: unknown, timeout = COMMAND_TIMEOUT): Promise<void> {
    if (this.#stops.has(event)) return
    const stop = new AbortController()
    this.#stops.set(event, stop)
    const pending = { since: Date.now(), timeout }
    this.#set(event, { phase: 'sending', ...pending })
    try {
      await this.#dialled(stop.signal)
      const sent = this.#client.send(event, payload, {
        timeout: Math.max(1, pending.since + timeout - Date.now()),
        signal: stop.signal,
        onProgress: progress => this.#set(event, { phase: 'waiting', ...pending, progress })
      })
      if (this.isReady) this.#set(event, { phase: 'waiting', ...pending })
      const answer = await sent
      this.#set(event, { phase: 'done', answer })
      this.#records.change(this.id, { seenAt: Date.now() })
    } catch (error) {
      this.#set(event, { phase: 'failed', outcome: failureOf(error) })
    } finally {
      this.#stops.delete(event)
    }
    if (!this.#isWatching) await this.refresh()
  }

  /** Waits no longer for the answer, and tells the device. */
  stop(event: string): void {
    this.#stops.get(event)?.abort()
  }

  /** Asks the device for its state. What goes wrong is seen in the connection. */
  async refresh(): Promise<void> {
    if (this.#connection !== 'online') return
    try {
      this.#stateIs(await this.#client.state())
    } catch {
      // The state that is shown says how old it is.
    }
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#patience)
    this.#client.close()
    this.#tell()
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Resolves when the client is about to have a session or is not: the button of a page that was just opened need not wait. */
  #dialled(stop: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const look = () => {
        const isDialling = this.#client.status === 'connecting' || this.#client.status === 'closed'
        if (isDialling && this.#connection === 'connecting' && !stop.aborted && !this.#isClosed) return
        end()
        resolve()
      }
      const end = this.subscribe(look)
      stop.addEventListener('abort', look, { once: true })
      look()
    })
  }

  async #open(record: DeviceRecord): Promise<void> {
    try {
      if (!(await isAble())) return this.#become('too-old')
      if (!this.#isClosed) await connect(this.#client, record)
    } catch (error) {
      this.#why = failureOf(error).reason
      this.#become('closed')
    }
  }

  #statusIs(status: ClientStatus, why: string | undefined): void {
    if (this.#isClosed) return
    // It stays while the next tries are made.
    if (why !== undefined || status !== 'connecting') this.#why = why
    if (status === 'ready') {
      for (const [event, run] of this.#runs)
        if (run.phase === 'sending') this.#runs.set(event, { ...run, phase: 'waiting' })
      this.#tell()
      void this.#learn()
    } else if (status === 'opening') this.#become('connecting')
    // A page that says this at each dial would flicker.
    else if (status !== 'connecting' || this.#connection !== 'unreachable') this.#become(status)
    else this.#tell()
  }

  #become(connection: Connection): void {
    if (this.#isClosed) return
    this.#connection = connection
    this.#isWatching &&= connection === 'online'
    clearTimeout(this.#patience)
    if (connection === 'connecting') this.#patience = setTimeout(() => this.#become('unreachable'), PATIENCE)
    this.#tell()
  }

  /** What the device can do, and its state: anew after each connect, for it may have changed. */
  async #learn(): Promise<void> {
    try {
      const description = await this.#client.describe()
      const { name } = readDescription(description)
      this.#records.change(this.id, {
        description,
        seenAt: Date.now(),
        words: undefined,
        ...(name !== undefined && { name })
      })
    } catch (error) {
      if (failureOf(error).reason === 'not-approved') return await this.#waitForOwner()
      // An old description, or none, is of use too.
    }
    if (!this.isReady) return
    this.#become('online')
    await this.refresh()
    try {
      await this.#client.watch({ onState: state => this.#stateIs(state) })
      this.#isWatching = this.#connection === 'online'
    } catch {
      // The device lets nobody watch: its state is asked for after each command.
    }
    this.#tell()
  }

  async #waitForOwner(): Promise<void> {
    this.#become('not-approved')
    try {
      await this.#client.ask('approval', null, { timeout: APPROVAL_TIMEOUT })
    } catch (error) {
      if (failureOf(error).code !== 'timeout') return
    }
    if (this.isReady) await this.#learn()
  }

  #stateIs({ value, at }: KnownState): void {
    this.#records.change(this.id, { state: { value, at }, seenAt: at })
    this.#tell()
  }

  #set(event: string, run: Run): void {
    this.#runs.set(event, run)
    this.#tell()
  }

  #tell(): void {
    for (const listener of this.#listeners) listener()
  }
}
