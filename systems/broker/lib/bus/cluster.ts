import type { Revocation, Revocations } from '@token-server/identity'
import type { Bus } from '@token-server/service'
import type { Counters } from '../core/counters'
import type { Log } from '../core/log'

/** Milliseconds between two signs of life. */
const BEAT = 1_000

/** A broker that gave none for so long is gone, or cut off; milliseconds. */
const SILENCE = 4_000

/** Milliseconds for which reasons to look through the queues are gathered. */
const GATHER = 100

/** Client ids in one question. */
const IDS_AT_ONCE = 1_000

/** Entries of the list of revocations in one answer. */
const REVOCATIONS_AT_ONCE = 1_000

export interface ClusterOptions {
  readonly bus: Bus
  readonly revocations: Revocations
  readonly counters: Counters
  readonly log: Log
  /** Those that are connected here, and the sessions of other doors. */
  readonly clientIds: () => Iterable<string>
  readonly isHere: (clientId: string) => boolean
  /** It has connected to another broker. */
  readonly onTaken: (clientId: string) => void
  /** Messages of others may have been missed: what is in the store has to be looked through. */
  readonly onMissed: () => void
  /** Another broker may be gone. */
  readonly onSilence: () => void
}

/**
 * What brokers tell each other besides messages, by topics of the bus:
 *
 * | topic | payload | |
 * |---|---|---|
 * | `alive` | | each second |
 * | `client` | its id | it has connected here: whoever has it closes it |
 * | `clients` | JSON, ids | "These are connected here, and I was away": who has one as well says `client` |
 * | `hello` | | "I am new, or was away": the others say what is revoked |
 * | `revoke` | JSON, entries | |
 *
 * A broker that falls silent may have stored messages without telling of them, so the queues are looked through, as after a gap of the bus.
 */
export class Cluster {
  readonly #options: ClusterOptions
  /** By the id of its bus, when a broker was heard of. */
  readonly #heardAt = new Map<string, number>()
  readonly #stops: (() => void)[]
  readonly #beat: NodeJS.Timeout
  #beatAt = performance.now()
  #missed: NodeJS.Timeout | undefined
  #isReceiving = false

  constructor(options: ClusterOptions) {
    this.#options = options
    const { bus, revocations } = options
    const hear = (topic: string, act: (payload: Buffer) => void) => {
      return bus.subscribe(topic, (_topic, payload, from) => {
        if (from === bus.id) return
        this.#heardAt.set(from, performance.now())
        this.#guarded(topic, () => act(payload))
      })
    }
    const onGap = ({ from, why }: { from: string | null; why: string }) => {
      this.#lookThrough(why)
      if (from === null) this.#catchUp()
    }
    bus.on('gap', onGap)
    this.#stops = [
      () => void bus.removeListener('gap', onGap),
      hear('alive', () => undefined),
      hear('client', payload => options.onTaken(payload.toString())),
      hear('clients', payload => this.#answer(JSON.parse(payload.toString()))),
      hear('hello', () => this.#tellRevocations()),
      hear('revoke', payload => this.#revoke(JSON.parse(payload.toString()))),
      revocations.subscribe(entry => {
        if (!this.#isReceiving) this.#say('revoke', JSON.stringify([entry]))
      })
    ]
    this.#beat = setInterval(() => this.#onBeat(), BEAT)
    this.#beat.unref()
    this.#say('alive')
    this.#say('hello')
  }

  /** Other brokers that were heard of in the last seconds. */
  get others(): number {
    return this.#heardAt.size
  }

  /** A client, or a session of another door, is connected here. */
  announce(clientId: string): void {
    this.#say('client', clientId)
  }

  leave(): void {
    clearInterval(this.#beat)
    clearTimeout(this.#missed)
    for (const stop of this.#stops) stop()
  }

  #say(topic: string, payload = ''): void {
    try {
      this.#options.bus.publish(topic, Buffer.from(payload))
    } catch (error) {
      this.#options.log.warn({ topic, error: (error as Error).message }, 'the other brokers were not told')
    }
  }

  /** What another broker says must not end this one. */
  #guarded(topic: string, act: () => void): void {
    try {
      act()
    } catch (error) {
      const { message } = error as Error
      this.#options.log.warn({ topic, error: message }, 'what another broker says was not understood')
    }
  }

  #onBeat(): void {
    const now = performance.now()
    const stoodStill = now - this.#beatAt > 2 * BEAT
    this.#beatAt = now
    this.#say('alive')
    for (const [id, heardAt] of this.#heardAt) {
      // Who hears nobody can't tell who is silent.
      if (stoodStill || !this.#options.bus.isUp) this.#heardAt.set(id, now)
      else if (now - heardAt > SILENCE) {
        this.#heardAt.delete(id)
        this.#options.onSilence()
        this.#lookThrough(`another broker has been silent for ${SILENCE} ms`)
      }
    }
  }

  #lookThrough(why: string): void {
    if (this.#missed !== undefined) return
    this.#missed = setTimeout(() => {
      this.#missed = undefined
      this.#options.counters.catchUps++
      this.#options.log.warn(
        { why },
        'messages of other brokers may be missing: kept sessions get theirs from the store, those of QoS 0 are lost'
      )
      this.#options.onMissed()
    }, GATHER)
  }

  /** This broker was away, and heard neither who went elsewhere nor what was revoked. */
  #catchUp(): void {
    this.#say('hello')
    this.#tellRevocations()
    for (const ids of chunks(this.#options.clientIds(), IDS_AT_ONCE))
      this.#say('clients', JSON.stringify(ids))
  }

  #answer(ids: readonly string[]): void {
    for (const id of ids) if (this.#options.isHere(id)) this.announce(id)
  }

  #tellRevocations(): void {
    for (const entries of chunks(this.#options.revocations.list(), REVOCATIONS_AT_ONCE)) {
      this.#say('revoke', JSON.stringify(entries))
    }
  }

  /** What came from others is not told on: two that differ about an id would tell each other without an end. */
  #revoke(entries: readonly Revocation[]): void {
    this.#isReceiving = true
    try {
      for (const entry of entries) this.#options.revocations.revoke(entry)
    } finally {
      this.#isReceiving = false
    }
  }
}

function* chunks<T>(items: Iterable<T>, most: number): Generator<T[]> {
  let chunk: T[] = []
  for (const item of items) {
    if (chunk.push(item) < most) continue
    yield chunk
    chunk = []
  }
  if (chunk.length > 0) yield chunk
}
