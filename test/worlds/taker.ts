import type { Connection, IncomingToken, TokenError, TokenStream } from '../../lib'
import type { Entry } from './ledger'
import type { TakingPlay } from './play'
import { readSimulatedToken, TOKEN_HEAD, tokenId } from './token'

type Mode = 'none' | 'listener' | 'loop' | 'pieces' | 'stream' | 'over'

/** An application that takes the tokens of a connection: by which kind of consumer, and how slowly, is left to chance. */
export class Taker {
  stream: TokenStream | null = null
  readonly #world: TakingPlay
  readonly #connection: Connection
  readonly #isManual: boolean
  readonly #modes: readonly Mode[]
  #mode: Mode = 'none'
  #isLeaving = false
  /** Given, and not acknowledged. */
  readonly #waiting: Entry[] = []
  #last: Entry | null = null
  readonly #listener = (token: Buffer) => {
    this.give(token)
    this.#world.inListener('token')
  }

  /** @param takesLong tokens come that are longer than may be joined: only pieces will do */
  constructor(world: TakingPlay, connection: Connection, isManual: boolean, takesLong: boolean) {
    this.#world = world
    this.#connection = connection
    this.#isManual = isManual
    this.#modes = takesLong ? ['pieces', 'none'] : ['none', 'listener', 'loop', 'pieces', 'stream']
    this.change()
  }

  /** True when it has a listener of its own, beside which that of the client or the server is told, too. */
  get isListening(): boolean {
    return this.#mode === 'listener'
  }

  /** Goes on with another kind of consumer, when the one before has left. */
  change(): void {
    if (this.#mode === 'over' || this.#mode === 'stream') return
    if (this.#mode === 'loop' || this.#mode === 'pieces') {
      this.#isLeaving = true
      return
    }
    if (this.#mode === 'listener') this.#connection.removeListener('token', this.#listener)
    this.#begin(this.#nextMode)
  }

  /** From now on everything is taken. */
  heal(): void {
    this.stream?.resume()
    if (this.#mode === 'none') this.#begin(this.#nextMode)
    this.acknowledge(this.#waiting.length)
  }

  /** Its stream, if it has one, ends, perhaps. */
  halfClose(): void {
    if (this.#world.chance.oneIn(2)) this.stream?.end()
  }

  /** Pauses or resumes a stream. */
  toggle(): void {
    if (!this.#world.has('pause')) return
    if (this.stream?.isPaused()) this.stream.resume()
    else this.stream?.pause()
  }

  acknowledge(most: number): void {
    if (!this.#isManual || this.#waiting.length === 0) return
    const count = Math.min(most, this.#waiting.length)
    try {
      if (!this.#connection.acknowledge(count)) return
    } catch (error) {
      this.#world.fail(`acknowledge(${count}) threw ${String(error)}`)
    }
    for (const entry of this.#waiting.splice(0, count)) entry.ledger.acknowledged(entry)
  }

  /** The loop or stream that has not come to its end; null for none. */
  get consumer(): 'loop' | 'pieces' | 'stream' | null {
    const mode = this.#mode
    return mode === 'loop' || mode === 'pieces' || mode === 'stream' ? mode : null
  }

  get unacknowledged(): number {
    return this.#waiting.length
  }

  /** The application is given a token. */
  give(token: Buffer): void {
    const world = this.#world
    world.counts.handed++
    let entry: Entry
    try {
      const { stream, number } = readSimulatedToken(token)
      entry = world.entry(`${stream}/${number}`)
    } catch (error) {
      world.fail((error as Error).message)
      return
    }
    if (this.#last !== null && this.#last.ledger !== entry.ledger)
      world.fail(
        `tokens of the streams ${this.#last.ledger.stream} and ${entry.ledger.stream} came on one connection`
      )
    if (this.#last !== null && this.#last.number >= entry.number)
      world.fail(`token ${entry.number} of stream ${entry.ledger.stream} came after ${this.#last.number}`)
    this.#last = entry
    if (this.#isManual) this.#waiting.push(entry)
    entry.ledger.given(entry)
    if (world.isHealing) this.acknowledge(this.#waiting.length)
  }

  get #nextMode(): Mode {
    const { chance, isHealing, takesByStreams } = this.#world
    if (!isHealing) return chance.pick(this.#modes)
    if (!this.#modes.includes('stream')) return 'pieces'
    return takesByStreams ? 'stream' : 'listener'
  }

  #begin(mode: Mode): void {
    this.#mode = mode
    try {
      if (mode === 'listener') this.#connection.on('token', this.#listener)
      else if (mode === 'loop') void this.#loop()
      else if (mode === 'pieces') void this.#pieces()
      else if (mode === 'stream') this.#flow()
    } catch (error) {
      this.#mode = 'over'
      this.#world.fail(`a consumer was refused: ${String(error)}`)
    }
  }

  async #loop(): Promise<void> {
    await this.#until(async () => {
      for await (const token of this.#connection) {
        this.give(token)
        await this.#think()
        if (this.#isLeaving) return true
      }
      return false
    })
  }

  async #pieces(): Promise<void> {
    await this.#until(async () => {
      for await (const token of this.#connection.incomingTokens()) {
        await this.#readPieces(token)
        if (this.#isLeaving) return true
      }
      return false
    })
  }

  /** @param loop takes tokens, and tells whether it was left before the connection had ended */
  async #until(loop: () => Promise<boolean>): Promise<void> {
    const isLeft = await loop().catch(() => false)
    this.#isLeaving = false
    this.#mode = isLeft ? 'none' : 'over'
    if (isLeft && this.#world.isHealing) this.heal()
  }

  async #readPieces(token: IncomingToken): Promise<void> {
    const pieces: Buffer[] = []
    let isGiven = false
    try {
      for await (const piece of token) {
        pieces.push(piece)
        // The one who closes counts a token from its last byte on.
        if (token.isComplete) this.give(Buffer.concat(pieces))
        isGiven = token.isComplete
        await this.#think()
        // Who acknowledges by hand would not know whether what was left counts.
        const isLeft = !this.#isManual && (this.#isLeaving || this.#world.chance.oneIn(50))
        if (isLeft && (isGiven || this.#skips(Buffer.concat(pieces)))) return
      }
    } catch {
      // It was aborted, or the connection broke: then the loop around this one throws, too.
      return
    }
    if (!isGiven) this.give(Buffer.concat(pieces))
  }

  /** @returns false when it is too soon to tell which token would be left */
  #skips(bytes: Buffer): boolean {
    if (bytes.length < TOKEN_HEAD) return false
    const id = tokenId(bytes)
    if (id === null) this.#world.fail('a token that nobody sent was read')
    else this.#world.entry(id).isSkipped = true
    return true
  }

  #flow(): void {
    const stream = this.#connection.stream()
    this.stream = stream
    this.#world.streams.add(stream)
    stream.on('data', token => this.give(token))
    stream.on('error', error => {
      // The application wrote behind its own close(), which destroys the stream with the token that it had not read out.
      if ((error as TokenError).code === 'ERR_NOT_SENT') this.#world.lostInStreams += stream.readableLength
    })
    stream.on('close', () => {
      this.#world.streams.delete(stream)
      this.#mode = 'over'
    })
  }

  #think(): Promise<void> | undefined {
    return this.#world.chance.oneIn(2) ? this.#world.pause() : undefined
  }
}
