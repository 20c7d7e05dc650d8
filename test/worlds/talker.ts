import type { Connection, DeliverOptions, TokenError, TokenStream } from '../../lib'
import { type Entry, type Fate, type Ledger, nameOf } from './ledger'
import type { Play } from './play'

/** What tokens are sent with: a client, or a server's connection. */
export interface Mouth {
  readonly bufferedAmount: number
  readonly writableNeedDrain: boolean
  send(token: Uint8Array): boolean
  deliver(token: Uint8Array, options?: DeliverOptions): Promise<void>
  request(token: Uint8Array, options?: DeliverOptions): Promise<Buffer>
}

/** Where a talker stands. */
export interface Place {
  /** The connection that tokens go to now, in the order of the calls; null when they wait elsewhere. */
  connection(): Connection | null
  /** True when nothing is taken any more, and no `drain` will come. */
  isDead(): boolean
  /** The stream by which the connection can be written now, in the order of the calls. */
  stream(): TokenStream | null
}

const KIB = 1024

/** An application that sends: which call, how long a token, how long it waits is left to chance. */
export class Talker {
  /** A polite sender waits for `drain`. */
  owesDrain = false
  readonly #world: Play
  readonly #ledger: Ledger
  readonly #mouth: Mouth
  readonly #place: Place
  #isWriting = false

  constructor(world: Play, ledger: Ledger, mouth: Mouth, place: Place) {
    this.#world = world
    this.#ledger = ledger
    this.#mouth = mouth
    this.#place = place
  }

  say(): void {
    if (this.#isWriting || this.#mouth.bufferedAmount > 3 * this.#world.setUp.outboxBytes) return
    const { chance } = this.#world
    const length = this.#length()
    const stream = this.#place.stream()
    const dice = chance.below(20)
    if (stream?.writable && dice < 10 && this.#world.has('write')) this.#write(stream, length)
    else if (dice < (this.#ledger.receiving.handles ? 3 : 7)) this.#deliver(length)
    else if (dice < 9) void this.#request(length, this.#mouth)
    else if (dice < 12) this.#sendFrom(length)
    else this.#send(length)
    if (this.#mouth.writableNeedDrain && !this.#place.isDead()) this.owesDrain = true
  }

  /** From inside a handler: asks by the connection, when nothing would be overtaken. @returns when the fate is told */
  async ask(): Promise<void> {
    const connection = this.#isWriting ? null : this.#place.connection()
    if (connection !== null) await this.#request(this.#length(), connection)
  }

  #length(): number {
    const { chance } = this.#world
    const { longOfThousand, client } = this.#world.setUp
    const dice = chance.below(1_000)
    if (dice < longOfThousand) return chance.below(client.maxTokenLength + KIB)
    return chance.below(dice < longOfThousand + 135 ? 20 * KIB : 100)
  }

  #send(length: number): void {
    const { entry, bytes } = this.#ledger.add('send', length)
    try {
      entry.isRefused = !this.#mouth.send(bytes)
    } catch (error) {
      entry.isRefused = true
      this.#checkRefusal(entry, error as TokenError)
      return
    }
    if (entry.isRefused && !this.#place.isDead()) this.owesDrain = true
  }

  #checkRefusal({ length }: Entry, error: TokenError): void {
    const isTooLong =
      length > Math.min(this.#world.setUp.server.maxTokenLength, this.#world.setUp.client.maxTokenLength)
    if (error.code === 'ERR_TOKEN_TOO_LARGE' && isTooLong) return
    this.#world.fail(`send() threw ${String(error.stack)}`)
  }

  #deliver(length: number): void {
    const { entry, bytes } = this.#ledger.add('deliver', length)
    void this.#watch(entry, options => this.#mouth.deliver(bytes, options))
  }

  #request(length: number, mouth: Pick<Mouth, 'request'>): Promise<void> {
    const { entry, bytes } = this.#ledger.add('request', length)
    return this.#watch(entry, async options => {
      const answer = await mouth.request(bytes, options)
      this.#world.counts.answered++
      this.#ledger.answered(entry, answer)
    })
  }

  #sendFrom(length: number): void {
    const connection = this.#place.connection()
    if (connection === null || this.#world.isClean) return
    const most = Math.min(connection.maxStreamLength, this.#world.setUp.longestStream)
    const isLong = this.#world.chance.oneIn(4)
    const { entry, bytes } = this.#ledger.add(
      'sendFrom',
      isLong ? this.#world.chance.below(most) : Math.min(length, most)
    )
    void this.#watch(entry, options => connection.sendFrom(this.#pieces(bytes), bytes.length, options))
  }

  /** One stream in ten fails before its end. */
  async *#pieces(token: Buffer): AsyncGenerator<Buffer> {
    const { chance } = this.#world
    const pieces = 1 + chance.below(4)
    const failsAt = chance.oneIn(10) ? chance.below(pieces) : -1
    for (let index = 0; index < pieces; index++) {
      if (index === failsAt) throw new Error('the source has failed')
      const start = Math.floor((token.length * index) / pieces)
      yield token.subarray(start, Math.floor((token.length * (index + 1)) / pieces))
      if (chance.oneIn(2)) await this.#world.pause()
    }
  }

  #watch(entry: Entry, call: (options?: DeliverOptions) => Promise<void>): Promise<void> {
    const { chance, clock, aborts } = this.#world
    const dice = this.#world.isClean ? 9 : chance.below(10)
    entry.fate = 'pending'
    let options: DeliverOptions | undefined
    if (dice < 4) {
      const timeout = 1 + chance.below(chance.oneIn(4) ? 8_000 : 500)
      options = { timeout }
      // Time that passes in leaps is counted as a process that was blocked counts it.
      entry.due = clock.now() + timeout + 1_000
    } else if (dice < 6) {
      const abort = new AbortController()
      aborts.push(abort)
      options = { signal: abort.signal }
    }
    return call(options).then(
      () => this.#settled(entry, 'handed'),
      error => this.#settled(entry, this.#fateOf(entry, error as TokenError))
    )
  }

  #fateOf(entry: Entry, error: TokenError): Fate {
    const { code, reason } = error
    if (code === 'ERR_FATE_UNKNOWN' && this.#world.isClean)
      this.#world.fail(`${nameOf(entry)} was told unknown, and both sides ended in order: ${error.message}`)
    if (code === 'ERR_HANDLER_FAILED') this.#ledger.failed(entry, reason)
    if (reason === 'unanswered') this.#world.fail(`${nameOf(entry)} was counted as done, and has no answer`)
    if (code === 'ERR_FATE_UNKNOWN' || code === 'ERR_NOT_SENT' || code === 'ERR_HANDLER_FAILED') return code
    if (code === 'ERR_NO_HANDLER' && entry.call === 'request') return code
    if (error.code === 'ERR_TOKEN_TOO_LARGE') this.#checkRefusal(entry, error)
    // A peer with another set-up takes no parts.
    else if (error.code !== 'ERR_PROTOCOL_REQUIRED')
      this.#world.fail(`a promise was told ${String(error.stack)}`)
    return 'ERR_NOT_SENT'
  }

  #settled(entry: Entry, fate: Fate): void {
    this.#ledger.settled(entry, fate)
  }

  #write(stream: TokenStream, length: number): void {
    // A token that is too long would destroy the stream, and its connection.
    const most = Math.min(this.#world.setUp.server.maxTokenLength, this.#world.setUp.client.maxTokenLength)
    const { entry, bytes } = this.#ledger.add('write', Math.min(length, most))
    this.#isWriting = true
    stream.write(bytes, error => {
      this.#isWriting = false
      const { code } = (error ?? {}) as { code?: string }
      if (code === 'ERR_NOT_SENT' || code?.startsWith('ERR_STREAM_')) entry.isRefused = true
    })
  }
}
