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
   * @param sent for a session the highest number that may have left before: where it is the first of this memory, none up to it is taken
   */
  recordOf(mode: KeyMode, instance: string, keyId: string, sent?: number): ClientRecord {
    const id = idOf(mode, instance)
    const now = this.#clock.now()
    const record = this.#records.get(id) ?? new ClientRecord(keyId, now)
    if (sent !== undefined && !record.wasConnected) {
      record.forgotten = Math.max(record.forgotten, sent)
      record.wasConnected = true
    }
    record.keyId = keyId
    record.queue = mode === 'paired' ? this.#queueOf(keyId) : record.ownQueue
    record.lastUsed = now
    this.#records.delete(id)
    this.#records.set(id, record)
    if (this.#records.size > this.#limits.maxClients) this.#dropOldest(record)
    this.#timer ??= this.#later()
    return record
  }

  /** {@link recordOf} for what anybody may have brought, at any time: where the client is known, it is no sign of life. */
  knownOf(mode: KeyMode, instance: string, keyId: string): ClientRecord {
    return this.#records.get(idOf(mode, instance)) ?? this.recordOf(mode, instance, keyId)
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

  /** Where all others are connected or have something under way, there is one more. */
  #dropOldest(newest: ClientRecord): void {
    for (const [id, record] of this.#records) {
      if (!isIdle(record) || record === newest) continue
      this.#drop(id, record)
      if (this.#records.size <= this.#limits.maxClients) return
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

function idOf(mode: KeyMode, instance: string): string {
  return `${mode === 'plain' ? '-' : '+'}${instance}`
}

/** Not connected, and nothing of it waits or runs. */
function isIdle({ sessions, commands, answers }: ClientRecord): boolean {
  return sessions === 0 && commands.size === answers
}
