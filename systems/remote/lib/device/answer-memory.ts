import type { KeyMode } from '../sealing/session'
import type { Clock, ClockTimer } from '../time/clock'
import { ClientQueue } from './client-queue'
import { ClientRecord, type Command } from './command'

export interface MemoryOptions {
  /** Clients that are remembered. Default 10,000. */
  readonly maxClients?: number
  /** Answers for each client. Default 1,000. */
  readonly maxAnswers?: number
  /** Characters of the answers for each client. Default 4 Mi. */
  readonly maxLength?: number
  /** Characters of all answers. Default 64 Mi. */
  readonly maxTotalLength?: number
  /** Milliseconds for which a client is remembered that is not connected. Default 5 minutes. */
  readonly maxAge?: number
}

/** Of all answers so much is kept when they are too many: else each further one would have all records looked through. */
const ROOM = 7 / 8

/**
 * The answers of the last minutes, so that a client whose connection broke can ask again and nothing runs twice. Whatever is too much is
 * forgotten, the oldest first; what was forgotten is never run again.
 */
export class AnswerMemory {
  readonly #records = new Map<string, ClientRecord>()
  /** By their keys. */
  readonly #phones = new Map<string, ClientQueue<Command>>()
  readonly #clock: Clock
  readonly #limits: Required<MemoryOptions>
  #timer: ClockTimer | undefined
  #totalLength = 0

  constructor(clock: Clock, limits: MemoryOptions = {}) {
    this.#clock = clock
    this.#limits = {
      maxClients: limits.maxClients ?? 10_000,
      maxAnswers: limits.maxAnswers ?? 1_000,
      maxLength: limits.maxLength ?? 4_194_304,
      maxTotalLength: limits.maxTotalLength ?? 67_108_864,
      maxAge: limits.maxAge ?? 300_000
    }
  }

  get clients(): number {
    return this.#records.size
  }

  /** Characters of all answers. */
  get length(): number {
    return this.#totalLength
  }

  /**
   * What is known of a client object. Under the empty key anybody can read its name on the way: it gets at no answer to what was sealed.
   *
   * @param sent the highest number that this device may have had from it: of a client that is not known, none up to it is taken
   */
  recordOf(mode: KeyMode, instance: string, sent: number, keyId: string): ClientRecord {
    const id = `${mode === 'plain' ? '-' : '+'}${instance}`
    const now = this.#clock.now()
    const record = this.#records.get(id) ?? new ClientRecord(sent, keyId, now)
    record.keyId = keyId
    record.queue = mode === 'paired' ? this.#queueOf(keyId) : record.ownQueue
    record.lastUsed = now
    this.#records.delete(id)
    this.#records.set(id, record)
    if (this.#records.size > this.#limits.maxClients) this.#dropOldest()
    this.#timer ??= this.#later()
    return record
  }

  /** Keeps an answer. */
  keep(command: Command): void {
    const { record, text } = command
    record.answers++
    record.length += text.length
    this.#totalLength += text.length
    const { maxAnswers, maxLength, maxTotalLength } = this.#limits
    if (record.answers > maxAnswers || record.length > maxLength) this.#forget(record, maxAnswers, maxLength)
    if (this.#totalLength > maxTotalLength) this.#makeRoom(maxTotalLength * ROOM)
  }

  /** The client has all answers below this number. */
  acknowledge(record: ClientRecord, floor: number): void {
    record.forgotten = Math.max(record.forgotten, floor - 1)
    for (const [number, command] of record.commands) {
      if (number >= floor) return
      if (command.phase === 'done') this.#remove(command)
    }
  }

  /** Nothing of what this key asked is told to anybody. */
  forgetKey(keyId: string): void {
    this.#phones.delete(keyId)
    for (const record of this.#records.values()) if (record.keyId === keyId) this.#forget(record, 0, 0)
  }

  close(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer)
    this.#records.clear()
    this.#phones.clear()
    this.#totalLength = 0
  }

  #makeRoom(length: number): void {
    for (const record of this.#records.values()) {
      this.#forget(record, 0, 0)
      if (this.#totalLength <= length) return
    }
  }

  #queueOf(keyId: string): ClientQueue<Command> {
    const queue = this.#phones.get(keyId) ?? new ClientQueue<Command>()
    this.#phones.set(keyId, queue)
    return queue
  }

  #forget(record: ClientRecord, maxAnswers: number, maxLength: number): void {
    for (const command of record.commands.values()) {
      if (record.answers <= maxAnswers && record.length <= maxLength) return
      if (command.phase !== 'done') continue
      record.forgotten = Math.max(record.forgotten, command.number)
      this.#remove(command)
    }
  }

  #remove(command: Command): void {
    const { record, number, text } = command
    record.commands.delete(number)
    record.answers--
    record.length -= text.length
    this.#totalLength -= text.length
  }

  #dropOldest(): void {
    for (const [id, record] of this.#records) {
      if (!isIdle(record)) continue
      this.#drop(id, record)
      return
    }
  }

  #drop(id: string, record: ClientRecord): void {
    this.#forget(record, 0, 0)
    this.#records.delete(id)
  }

  #later(): ClockTimer {
    const timer = this.#clock.setTimeout(() => {
      this.#timer = undefined
      const end = this.#clock.now() - this.#limits.maxAge
      for (const [id, record] of this.#records)
        if (isIdle(record) && record.lastUsed <= end) this.#drop(id, record)
      if (this.#records.size > 0) this.#timer = this.#later()
    }, this.#limits.maxAge / 4)
    timer.unref?.()
    return timer
  }
}

/** Not connected, and nothing of it waits or runs. */
function isIdle({ sessions, commands, answers }: ClientRecord): boolean {
  return sessions === 0 && commands.size === answers
}
