import { expect } from 'chai'
import { type AuthorizeAnswer, authorization, type Verdict } from '../../lib/protocol/authorization'
import type { FakeClock } from '../../lib/testing'
import { usesFakeClock } from '../helpers/fake-clock'

type Ask = Parameters<typeof authorization>[0]

describe('authorization', () => {
  let clock: FakeClock
  const gone = new AbortController().signal

  afterEach(() => {
    expect(clock.pending).to.equal(0)
  })

  usesFakeClock(made => {
    clock = made
  })

  const ask = (answer: unknown): Promise<Verdict> =>
    authorization(() => answer as AuthorizeAnswer, 1000, gone)

  async function refusal(verdict: Promise<Verdict>) {
    const answer = await verdict
    if (answer.isAccepted) throw new Error('it was accepted')
    return {
      reason: answer.reason,
      code: answer.error.code,
      closeCode: answer.error.closeCode,
      cause: answer.error.cause
    }
  }

  it('accepts what is true, at once or later', async () => {
    expect(await ask(true)).to.deep.equal({ isAccepted: true })
    expect(await ask(Promise.resolve(true))).to.deep.equal({ isAccepted: true })
  })

  it('refuses what is false, without a reason of its own', async () => {
    expect(await refusal(ask(false))).to.deep.equal({
      reason: 'not authorized',
      code: 'ERR_REFUSED',
      closeCode: 'refused',
      cause: undefined
    })
  })

  it('refuses with the reason that is given', async () => {
    expect((await refusal(ask({ reason: 'not on the list' }))).reason).to.equal('not on the list')
  })

  it('takes for no whatever is not exactly true, and tells this side what it was', async () => {
    for (const [answer, what] of [
      [undefined, 'undefined'],
      [null, 'null'],
      [1, '1'],
      ['true', 'a string'],
      [{}, 'an object'],
      [[], 'an object'],
      [{ reason: 5 }, 'an object']
    ] as const) {
      expect((await refusal(ask(answer))).reason).to.equal('not authorized')
      const verdict = await ask(answer)
      expect(verdict.isAccepted ? null : verdict.error.message).to.match(new RegExp(`and it gave ${what}$`))
    }
    const no = await ask(false)
    expect(no.isAccepted ? null : no.error.message).to.equal('Cannot accept the peer: not authorized')
  })

  it('refuses when it throws or rejects; the cause is for this side only', async () => {
    const cause = new Error('the database is down')
    const throws: Ask = () => {
      throw cause
    }
    for (const verdict of [authorization(throws, 1000, gone), ask(Promise.reject(cause))]) {
      expect(await refusal(verdict)).to.deep.include({
        reason: 'authorize failed',
        code: 'ERR_REFUSED',
        cause
      })
    }
  })

  it('refuses when no answer comes in time, and aborts the signal', async () => {
    let signal: AbortSignal | undefined
    const verdict = authorization(
      given => {
        signal = given
        return new Promise(() => {})
      },
      1000,
      gone
    )
    await clock.elapse(999)
    expect(signal?.aborted).to.equal(false)
    await clock.elapse(1)
    expect(await refusal(verdict)).to.deep.include({
      code: 'ERR_HANDSHAKE_TIMEOUT',
      closeCode: 'handshake-timeout'
    })
    expect(signal?.aborted).to.equal(true)
  })

  it('takes no answer that comes when time is up', async () => {
    let answer: (answer: boolean) => void = () => {}
    const verdict = authorization(() => new Promise(resolve => (answer = resolve)), 0.5, gone)
    await clock.elapse(1)
    answer(true)
    expect((await verdict).isAccepted).to.equal(false)
  })

  it('settles and aborts the signal when the peer has gone', async () => {
    const peer = new AbortController()
    let signal: AbortSignal | undefined
    const verdict = authorization(
      given => {
        signal = given
        return new Promise(() => {})
      },
      1000,
      peer.signal
    )
    peer.abort()
    expect((await verdict).isAccepted).to.equal(false)
    expect(signal?.aborted).to.equal(true)
  })
})
