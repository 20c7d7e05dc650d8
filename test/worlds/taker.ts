import type { Connection, IncomingToken, TokenError, TokenStream } from '../../lib'
import type { Entry } from './ledger'
import type { TakingPlay } from './play'
import { readSimulatedToken, simulatedAnswer, TOKEN_HEAD, tokenId } from './token'

type Mode = 'none' | 'listener' | 'loop' | 'pieces' | 'stream' | 'handler' | 'over'

/** A token that a handler has. */
interface Job {
  readonly entry: Entry
  done(answer: Buffer | undefined): void
  fail(error: Error): void
}

const KIB = 1024

/** What an application does with the tokens of a connection. */
export interface Taking {
  /** By a handler and nothing else. */
  readonly handles: boolean
  /** Tokens come that are longer than may be joined: only pieces will do. */
  readonly takesLong: boolean
  /** Asks the other side from inside the handler, and resolves when that was told its fate; null: it never asks. */
  readonly ask: (() => Promise<void>) | null
}

/** An application that takes the tokens of a connection: by which kind of consumer, and how slowly, is left to chance. */
export class Taker {
  stream: TokenStream | null = null
  readonly #world: TakingPlay
  readonly #connection: Connection
  readonly #modes: readonly Mode[]
  readonly #ask: (() => Promise<void>) | null
  #mode: Mode = 'none'
  #isLeaving = false
  /** Given to a handler, and not settled. */
  readonly #jobs: Job[] = []
  /** Given to a handler, whose promise is open. */
  #running = 0
  #concurrency = 0
  #last: Entry | null = null
  readonly #listener = (token: Buffer) => {
    this.give(token)
    this.#world.inListener('token')
  }

  constructor(world: TakingPlay, connection: Connection, { handles, takesLong, ask }: Taking) {
    this.#world = world
    this.#connection = connection
    this.#ask = ask
    if (handles) this.#modes = ['handler']
    else this.#modes = takesLong ? ['pieces', 'none'] : ['none', 'listener', 'loop', 'pieces', 'stream']
    this.change()
  }

  /** True when it has a listener of its own, beside which that of the client or the server is told, too. */
  get isListening(): boolean {
    return this.#mode === 'listener'
  }

  /** Jobs of the handler that are not settled. */
  get running(): number {
    return this.#running
  }

  /** Bytes that answers may have at once, beside the bound that the library sets. */
  mostAnswerBytes(longest: number): number {
    return this.#concurrency * (longest + KIB)
  }

  /** Nothing goes on any more. */
  checkEnd(): void {
    if (this.#running > 0) this.#world.fail(`a handler still has ${this.#running} tokens at the end`)
  }

  /** Goes on with another kind of consumer, when the one before has left. */
  change(): void {
    if (this.#mode === 'over' || this.#mode === 'stream' || this.#mode === 'handler') return
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
    this.settle(this.#jobs.length)
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

  /** The handler is done with some of its tokens, in any order; one in five has failed. */
  settle(most: number): void {
    const { chance, isClean } = this.#world
    for (let count = Math.min(most, this.#jobs.length); count > 0; count--) {
      const [job] = this.#jobs.splice(chance.below(this.#jobs.length), 1) as [Job]
      const { ledger, number } = job.entry
      const length = !isClean && chance.oneIn(5) ? null : this.#answerLength(ledger.receiving.longestAnswer)
      ledger.handled(job.entry, length)
      if (length === null) job.fail(new Error('the handler has failed'))
      else
        job.done(length === 0 && chance.oneIn(2) ? undefined : simulatedAnswer(ledger.stream, number, length))
    }
  }

  /** Of any length, now and then longer than may be. */
  #answerLength(longest: number): number {
    const { chance, setUp } = this.#world
    const dice = chance.below(1_000)
    if (dice < setUp.longOfThousand) return chance.below(longest + KIB)
    if (dice < setUp.longOfThousand + 5) return longest + chance.below(2)
    return chance.below(dice < 200 ? Math.min(20 * KIB, longest) : 100)
  }

  /** The loop or stream that has not come to its end; null for none. */
  get consumer(): 'loop' | 'pieces' | 'stream' | null {
    const mode = this.#mode
    return mode === 'loop' || mode === 'pieces' || mode === 'stream' ? mode : null
  }

  /** The application is given a token. @returns what is known of it, null when nothing is */
  give(token: Buffer): Entry | null {
    const world = this.#world
    world.counts.handed++
    let entry: Entry
    try {
      const { stream, number } = readSimulatedToken(token)
      entry = world.entry(`${stream}/${number}`)
    } catch (error) {
      world.fail((error as Error).message)
      return null
    }
    if (this.#last !== null && this.#last.ledger !== entry.ledger)
      world.fail(
        `tokens of the streams ${this.#last.ledger.stream} and ${entry.ledger.stream} came on one connection`
      )
    if (this.#last !== null && this.#last.number >= entry.number)
      world.fail(`token ${entry.number} of stream ${entry.ledger.stream} came after ${this.#last.number}`)
    this.#last = entry
    entry.ledger.given(entry)
    return entry
  }

  get #nextMode(): Mode {
    const { chance, isHealing, takesByStreams } = this.#world
    if (this.#modes.includes('handler')) return 'handler'
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
      else if (mode === 'handler') this.#handle()
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
        const isLeft = this.#isLeaving || this.#world.chance.oneIn(50)
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

  #handle(): void {
    const { chance } = this.#world
    const handler = (token: Buffer) => {
      const entry = this.give(token)
      if (entry === null) return
      this.#running++
      return this.#work(entry).finally(() => {
        this.#running--
      })
    }
    this.#concurrency = chance.pick([1, 3, 100])
    this.#connection.handle(handler, { concurrency: this.#concurrency })
  }

  async #work(entry: Entry): Promise<Buffer | undefined> {
    const { chance, isClean } = this.#world
    if (this.#running > this.#concurrency)
      this.#world.fail(`a handler has ${this.#running} tokens, and takes ${this.#concurrency} at once`)
    // Who ends in order hands out nothing, and may itself wait for this handler: that is over after its timeout only.
    if (this.#ask !== null && !isClean && chance.oneIn(4)) await this.#ask()
    return await new Promise<Buffer | undefined>((done, fail) => {
      this.#jobs.push({ entry, done, fail })
      if (this.#world.isHealing || chance.oneIn(3)) this.settle(1)
    })
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
