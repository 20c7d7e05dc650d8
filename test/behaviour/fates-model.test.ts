import { randomInt } from 'node:crypto'
import { expect } from 'chai'
import type { IncomingToken } from '../../lib'
import { controlOf } from '../../lib/connection/connection'
import type { TokenError } from '../../lib/errors/token-error'
import { FakeClock } from '../../lib/testing'
import { settled } from '../helpers/moments'
import { SessionPair } from '../helpers/session-pair'
import { Chance } from '../worlds/random'
import { readSimulatedToken, simulatedToken } from '../worlds/token'

const WORLDS = Number(process.env.WORLDS ?? 120)
const STEPS = 60

interface Sent {
  /** Null without a promise. */
  fate: string | null
  readonly giveUp: AbortController | null
  /** Its bytes can't be sent again: after a cut nobody else need have it. */
  readonly isStream: boolean
}

/**
 * A client that sends, gives up and drops tokens over transports that are stalled and cut, and the server's application,
 * which must have had what the promises say.
 */
class FateWorld {
  readonly #chance: Chance
  readonly #clock = new FakeClock()
  readonly #restore = this.#clock.install()
  readonly #sent: Sent[] = []
  readonly #had = new Set<number>()
  #lastHad = 0
  #dropped = 0
  #isEager = true
  #isReading = false
  #wake: () => void = () => {}
  #failure: string | null = null
  readonly #hasSession: boolean
  #pair!: SessionPair

  constructor(seed: number) {
    this.#chance = new Chance(seed)
    this.#hasSession = !this.#chance.oneIn(3)
  }

  async run(): Promise<void> {
    try {
      this.#pair = await SessionPair.open({
        client: { highWaterMark: 2_000, maxTokenLength: 500_000, outboxBytes: 2_000_000 },
        server: { receiveWindow: 150_000 },
        transport: { highWaterMark: 512 },
        hasSession: this.#hasSession
      })
      const { client } = this.#pair
      client.on('drain', () => this.#chance.oneIn(2) && this.#deliver())
      void this.#take()
      for (let step = 0; step < STEPS && this.#failure === null; step++) {
        await this.#act()
        await settled()
      }
      await this.#heal()
    } finally {
      await this.#pair?.destroy()
      this.#restore()
    }
  }

  async #act(): Promise<void> {
    const { client, link } = this.#pair
    const dice = this.#chance.below(100)
    if (dice < 2) this.#burst()
    else if (dice < 30) this.#deliver()
    else if (dice < 40) this.#send()
    else if (dice < 46) this.#sendFrom()
    else if (dice < 60) this.#giveUpOne()
    else if (dice < 64) this.#dropped += controlOf(client).delivering.dropOldest(1 + this.#chance.below(3))
    else if (dice < 72) link.aToB.stall()
    else if (dice < 80) link.aToB.resume()
    else if (dice < 86) this.#want(!this.#isEager)
    else if (dice < 92) await this.#cut()
    else if (dice < 98) await this.#redial()
    else await this.#clock.elapse(40)
  }

  #giveUpOne(): void {
    const open = this.#sent.filter(({ fate }) => fate === 'pending')
    if (open.length > 0) this.#chance.pick(open).giveUp?.abort()
  }

  async #cut(): Promise<void> {
    if (this.#hasSession) await this.#pair.cut()
  }

  async #redial(): Promise<void> {
    if (this.#pair.client.isDetached && this.#pair.server.isDetached) await this.#pair.resume()
  }

  #token(): Buffer {
    const length = this.#chance.oneIn(3) ? 60_000 + this.#chance.below(300_000) : this.#chance.below(1_500)
    return simulatedToken(1, this.#sent.length + 1, length)
  }

  #send(): void {
    if (this.#pair.client.send(this.#token())) this.#sent.push({ fate: null, giveUp: null, isStream: false })
  }

  #deliver(): void {
    const options = this.#chance.oneIn(4) ? { timeout: 1 + this.#chance.below(80) } : {}
    this.#track(false, (token, signal) =>
      this.#pair.client.deliver(token, this.#chance.oneIn(4) ? undefined : { signal, ...options })
    )
  }

  /** Enough of them are given up that the queue is moved together. */
  #burst(): void {
    const giveUp = new AbortController()
    for (let i = 0; i < 60; i++) {
      const { signal } = this.#chance.oneIn(10) ? new AbortController() : giveUp
      const number = this.#sent.length + 1
      this.#track(false, () => this.#pair.client.deliver(simulatedToken(1, number, 10), { signal }))
    }
    if (this.#chance.oneIn(2)) giveUp.abort()
    else this.#clock.setTimeout(() => giveUp.abort(), 100)
  }

  #sendFrom(): void {
    this.#track(true, (token, signal) => {
      const middle = this.#chance.below(token.length)
      const fails = this.#chance.oneIn(4)
      async function* give() {
        await Promise.resolve()
        yield token.subarray(0, middle)
        if (fails) throw new Error('disk')
        yield token.subarray(middle)
      }
      return this.#pair.client.sendFrom(give(), undefined, { signal })
    })
  }

  #track(isStream: boolean, send: (token: Buffer, signal: AbortSignal) => Promise<void>): void {
    const token = this.#token()
    const number = this.#sent.length + 1
    const sent = { fate: 'pending', giveUp: new AbortController(), isStream }
    this.#sent.push(sent)
    send(token, sent.giveUp.signal).then(
      () => {
        sent.fate = 'handed'
        if (!this.#had.has(number)) this.#fail(`token ${number} was told handed and was not`)
      },
      (error: TokenError) => {
        sent.fate = error.code
        if (error.code === 'ERR_NOT_SENT' && this.#had.has(number))
          this.#fail(`token ${number} was told not sent and was handed`)
      }
    )
  }

  #want(isEager: boolean): void {
    this.#isEager = isEager
    if (isEager) this.#wake()
  }

  /** The server's application, which reads the bytes of each token as they come. */
  async #take(): Promise<void> {
    try {
      for await (const token of this.#pair.server.incomingTokens()) {
        this.#isReading = true
        await this.#read(token)
        this.#isReading = false
      }
    } catch (error) {
      if ((error as TokenError).code !== 'ERR_ABORTED') this.#fail(String(error))
    }
  }

  async #read(token: IncomingToken): Promise<void> {
    const pieces: Buffer[] = []
    try {
      for await (const piece of token) {
        pieces.push(piece)
        // In the middle of a token, too: what was given of it can't be taken back.
        if (!this.#isEager) await new Promise<void>(resolve => (this.#wake = resolve))
      }
    } catch (error) {
      if ((error as TokenError).code === 'ERR_TOKEN_ABORTED') return
      throw error
    }
    this.#had.add(this.#check(Buffer.concat(pieces)))
  }

  #check(token: Buffer): number {
    const { number } = readSimulatedToken(token)
    if (number <= this.#lastHad) this.#fail(`token ${number} came after ${this.#lastHad}`)
    if (this.#sent[number - 1]?.fate === 'ERR_NOT_SENT')
      this.#fail(`token ${number} was told not sent and came`)
    this.#lastHad = number
    return number
  }

  async #heal(): Promise<void> {
    this.#want(true)
    this.#pair.link.resume()
    for (let turn = 0; turn < 400 && this.#failure === null && !this.#isDone; turn++) {
      if (turn % 20 === 0) await this.#redial()
      await this.#clock.elapse(20)
      await settled()
    }
    if (this.#failure === null && !this.#isDone) this.#fail('not everything was settled')
    for (const [index, { fate, isStream }] of this.#sent.entries()) {
      const isExpected = fate !== 'ERR_NOT_SENT'
      if (
        fate === null ||
        (fate === 'ERR_FATE_UNKNOWN' && isStream) ||
        this.#had.has(index + 1) === isExpected
      )
        continue
      this.#fail(`token ${index + 1} is told ${fate}, and ${isExpected ? 'never came' : 'came'}`)
    }
    const missing = this.#sent.filter(({ fate }, index) => fate === null && !this.#had.has(index + 1)).length
    if (missing > this.#dropped) this.#fail(`${missing} tokens are missing, ${this.#dropped} were dropped`)
    if (this.#failure !== null) throw new Error(this.#failure)
  }

  get #isDone(): boolean {
    const { client, server } = this.#pair
    const isQuiet = client.isOpen && client.bufferedAmount === 0 && client.retainedBytes === 0
    if (!isQuiet || this.#isReading || server.tokensReceived < client.tokensSent) return false
    return this.#sent.every(({ fate }) => fate !== 'pending')
  }

  #fail(why: string): void {
    this.#failure ??= why
  }
}

describe('the fates of tokens, as a model', () => {
  const first = Number(process.env.SEED ?? randomInt(2 ** 31))
  const worlds = process.env.SEED === undefined ? WORLDS : 1

  it(`are the true ones, whatever is given up, dropped, stalled and cut in ${worlds} worlds (SEED=n repeats one)`, async function () {
    this.timeout(120_000)
    for (let seed = first; seed < first + worlds; seed++) {
      try {
        await new FateWorld(seed).run()
      } catch (cause) {
        expect.fail(`SEED=${seed}: ${(cause as Error).stack}`)
      }
    }
  })
})
