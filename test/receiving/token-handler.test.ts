import { expect } from 'chai'
import type { TokenError } from '../../lib'
import type { Consumer } from '../../lib/receiving/consumer'
import { type Outcome, TokenHandler, type TokenHandlerHost } from '../../lib/receiving/token-handler'
import { UnsettledToken } from '../../lib/receiving/unsettled-token'
import { escapedDuring, settled } from '../helpers/moments'

const TOKEN = Buffer.from('token')

/** A handler, with what it tells its host. */
class Trial implements TokenHandlerHost {
  readonly outcomes: { number: number; outcome: Outcome }[] = []
  pulls = 0
  readonly handler: TokenHandler
  #number = 0

  constructor(call: (token: Buffer) => unknown, concurrency = 1) {
    const claim = (consumer: Consumer) => {
      expect(consumer.holdsOpen).to.equal(false)
      return { pull: () => this.pulls++, release: () => {} }
    }
    this.handler = new TokenHandler(claim, this, call, concurrency)
  }

  settle({ number }: UnsettledToken, outcome: Outcome): void {
    this.outcomes.push({ number, outcome })
  }

  give(isRequest = true): void {
    this.handler.handle(TOKEN, new UnsettledToken(++this.#number, 4, isRequest))
  }

  /** One token: its outcome. */
  async outcome(isRequest = true): Promise<Outcome> {
    this.give(isRequest)
    await settled()
    expect(this.outcomes).to.have.length(1)
    return this.outcomes[0]?.outcome as Outcome
  }
}

/** What a getter throws. */
const THROWN = new Error('thrown')
const throwing = (name: string) =>
  Object.defineProperty({}, name, {
    get() {
      throw THROWN
    }
  })

/** What is awaited like a promise and is none. */
function thenable(then: (resolve: (value: Buffer) => void, reject: (error: Error) => void) => void): object {
  return Object.fromEntries([['then', then]])
}

/** A promise whose constructor can't be read: `Promise.resolve` of it throws. */
function withoutConstructor(): Promise<void> {
  return Object.defineProperty(Promise.resolve(), 'constructor', {
    get() {
      throw THROWN
    }
  })
}

describe('TokenHandler', () => {
  it('settles a token at once when nothing is promised, and is asked for the next one by whoever gives them', async () => {
    const trial = new Trial(token => token)
    await settled()
    trial.give()
    expect(trial.outcomes).to.deep.equal([{ number: 1, outcome: { answer: TOKEN } }])
    expect([trial.handler.isBusy, trial.handler.isWanting, trial.pulls]).to.deep.equal([false, true, 1])
  })

  for (const [what, call] of Object.entries<() => unknown>({
    'it throws': () => {
      throw THROWN
    },
    'its promise rejects': () => Promise.reject(THROWN),
    'it returns what throws when it is asked for `then`': () => throwing('then'),
    'it returns what throws when `then` is called': () =>
      thenable(() => {
        throw THROWN
      }),
    'its promise throws when it is looked at': withoutConstructor
  })) {
    it(`tells the error once when ${what}`, async () => {
      const escaped = await escapedDuring(async () => {
        const trial = new Trial(call)
        expect(await trial.outcome()).to.deep.equal({ error: THROWN })
        expect([trial.handler.isBusy, trial.handler.isWanting]).to.deep.equal([false, true])
      })
      expect(escaped).to.deep.equal({ uncaught: [], unhandled: [] })
    })
  }

  it('settles once when what it was promised calls back twice', async () => {
    const trial = new Trial(() =>
      thenable((resolve, reject) => {
        resolve(TOKEN)
        reject(THROWN)
        resolve(TOKEN)
      })
    )
    expect(await trial.outcome()).to.deep.equal({ answer: TOKEN })
    expect(trial.handler.isBusy).to.equal(false)
  })

  it('has an empty answer of undefined and null, and refuses what is no bytes', async () => {
    for (const value of [undefined, null]) {
      expect(await new Trial(() => value).outcome()).to.deep.equal({ answer: null })
      expect(await new Trial(async () => value).outcome()).to.deep.equal({ answer: null })
    }
    for (const value of ['text', 0, true, {}, [], Symbol('s'), 1n, new ArrayBuffer(1), () => {}]) {
      const outcome = (await new Trial(() => value).outcome()) as { error: TokenError }
      expect(outcome.error.code, String(value)).to.equal('ERR_TOKEN_TYPE')
    }
  })

  it('does not look at what it returns to a token that asks for nothing', async () => {
    for (const value of ['text', {}, TOKEN])
      expect(await new Trial(() => value).outcome(false)).to.deep.equal({ answer: null })
  })

  it('wants as many tokens as its concurrency, and pulls when one of them is settled', async () => {
    const done: (() => void)[] = []
    const trial = new Trial(() => new Promise<void>(resolve => done.push(resolve)), 2)
    await settled()
    trial.give()
    expect(trial.handler.isWanting).to.equal(true)
    trial.give()
    expect([trial.handler.isWanting, trial.handler.isBusy]).to.deep.equal([false, true])
    const { pulls } = trial
    done[1]?.()
    await settled()
    expect([trial.handler.isWanting, trial.pulls - pulls]).to.deep.equal([true, 1])
    expect(trial.outcomes.map(({ number }) => number)).to.deep.equal([2])
  })

  it('wants none after the end', () => {
    const trial = new Trial(() => {})
    expect(trial.handler.isWanting).to.equal(true)
    trial.handler.finish(null)
    expect(trial.handler.isWanting).to.equal(false)
  })

  it('keeps no promise and no token of 10,000 that failed', async () => {
    let failures = 0
    const trial = new Trial(() => (failures++ % 2 === 0 ? Promise.reject(THROWN) : withoutConstructor()))
    const escaped = await escapedDuring(async () => {
      for (let i = 0; i < 10_000; i++) trial.give()
      await settled()
    })
    expect(escaped).to.deep.equal({ uncaught: [], unhandled: [] })
    expect([trial.outcomes.length, trial.handler.isBusy]).to.deep.equal([10_000, false])
  })
})
