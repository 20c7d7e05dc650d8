import { expect } from 'chai'
import fc from 'fast-check'
import { FragmentRules } from '../../lib/protocol/fragment-rules'

const PART_LENGTH = 16_384

/** What is done in turn, and the close code of the first fault: a number is a data frame. */
function fault(steps: (number | string)[], maxTokenLength = 100_000, maxStreamLength = 0): string | null {
  const rules = new FragmentRules(maxTokenLength, maxStreamLength)
  for (const [i, step] of steps.entries()) {
    let error = null
    if (typeof step === 'number') error = rules.data(step)
    else if (step === 'PART') error = rules.part()
    else if (step === 'ABORT') error = rules.abort()
    else error = rules.control(step)
    if (error !== null) {
      expect(i, 'the place of the fault').to.equal(steps.length - 1)
      return error.closeCode ?? error.code
    }
  }
  return null
}

type Step = 'data' | 'PART' | 'ABORT' | 'REQUEST' | 'ANSWER' | 'END' | 'PING'

/** What sections 12 and 18 allow, as a table: the state after a step, nothing where it is refused. */
const TABLE: Record<string, Partial<Record<Step, string>>> = {
  between: {
    data: 'between',
    PART: 'announced',
    ABORT: 'between',
    REQUEST: 'requested',
    ANSWER: 'between answer',
    END: 'between',
    PING: 'between'
  },
  requested: { data: 'between', PART: 'announced' },
  announced: { data: 'begun' },
  begun: {
    data: 'between',
    PART: 'begun announced',
    ABORT: 'between',
    ANSWER: 'begun answer',
    PING: 'begun'
  },
  'begun announced': { data: 'begun' },
  'between answer': { data: 'between' },
  'begun answer': { data: 'begun' }
}

/** Does a step as token/2 does it. @returns whether it is refused */
function isRefused(rules: FragmentRules, step: Step): boolean {
  if (step === 'data')
    return (rules.isAnswer ? rules.answerData(PART_LENGTH) : rules.data(PART_LENGTH)) !== null
  if (step === 'PART') return rules.part() !== null
  if (step === 'ABORT') return rules.abort() !== null
  if (step === 'REQUEST') return rules.request() !== null
  if (rules.control(step) !== null) return true
  if (step === 'ANSWER') rules.answer()
  return false
}

describe('FragmentRules', () => {
  it('lets pass and refuses what a table says, in any order', () => {
    const steps = fc.array(
      fc.constantFrom<Step>('data', 'data', 'data', 'PART', 'ABORT', 'REQUEST', 'ANSWER', 'END', 'PING'),
      { maxLength: 40 }
    )
    fc.assert(
      fc.property(steps, all => {
        const rules = new FragmentRules(PART_LENGTH, 100 * PART_LENGTH)
        let state = 'between'
        for (const [i, step] of all.entries()) {
          const next = TABLE[state]?.[step]
          expect(isRefused(rules, step), `${i}: ${step} in ${state}`).to.equal(next === undefined)
          if (next === undefined) return
          state = next
          expect(rules.isBegun).to.equal(state.startsWith('begun'))
          expect(rules.isMidToken).to.equal(state.startsWith('begun') || state === 'announced')
        }
      }),
      { numRuns: 3000, ...(process.env.SEED !== undefined && { seed: Number(process.env.SEED) }) }
    )
  })

  it('bounds an answer, and counts it as no token and to no sum', () => {
    const rules = new FragmentRules(100_000, 0)
    expect(rules.part()).to.equal(null)
    expect(rules.data(90_000)).to.equal(null)
    rules.answer()
    expect(rules.answerData(100_000)).to.equal(null)
    expect([rules.tokensBegun, rules.isBegun, rules.data(10_000)]).to.deep.equal([1, true, null])
    rules.answer()
    expect(rules.answerData(100_001)?.code).to.equal('ERR_TOKEN_TOO_LARGE')
  })

  it('lets pass what section 12 draws', () => {
    for (const steps of [
      [0, 5, 100_000],
      ['PART', PART_LENGTH, 0, 1],
      ['PART', PART_LENGTH, 'PING', 'WINDOW', 'PART', PART_LENGTH, 'CLOSE'],
      ['ABORT', 'ABORT', 1],
      ['PART', PART_LENGTH, 'ABORT', 'ABORT', 'PART', PART_LENGTH, 1, 'END'],
      ['PART', 83_616, 16_384, 'PART', 83_616, 16_384]
    ]) {
      expect(fault(steps), steps.join()).to.equal(null)
    }
  })

  it('lets nothing but a data frame follow PART', () => {
    for (const step of ['PART', 'ABORT', 'PING', 'CLOSE', 'END', 'a frame']) {
      expect(fault(['PART', step]), step).to.equal('protocol-error')
      expect(fault(['PART', PART_LENGTH, 'PART', step]), step).to.equal('protocol-error')
    }
  })

  it('refuses END between parts', () => {
    expect(fault(['PART', PART_LENGTH, 'END'])).to.equal('protocol-error')
  })

  it('refuses a small part, unless it is the last', () => {
    expect(fault(['PART', PART_LENGTH - 1])).to.equal('protocol-error')
    expect(fault(['PART', PART_LENGTH, 'PART', 5])).to.equal('protocol-error')
  })

  it('bounds a data frame, and the sum of the parts at the length of each', () => {
    expect(fault([100_001])).to.equal('ERR_TOKEN_TOO_LARGE')
    expect(fault(['PART', 100_001])).to.equal('ERR_TOKEN_TOO_LARGE')
    expect(fault(['PART', 90_000, 10_001])).to.equal('ERR_TOKEN_TOO_LARGE')
    expect(fault(['PART', 90_000, 'PART', 16_384])).to.equal('ERR_TOKEN_TOO_LARGE')
    expect(fault(['PART', 90_000, 'ABORT', 'PART', 90_000, 10_000])).to.equal(null)
  })

  it('with maxStreamLength bounds the sum by it, and each frame as before', () => {
    expect(fault(['PART', 90_000, 'PART', 90_000, 20_000], 100_000, 200_000)).to.equal(null)
    expect(fault(['PART', 90_000, 'PART', 90_000, 20_001], 100_000, 200_000)).to.equal('ERR_TOKEN_TOO_LARGE')
    expect(fault([100_001], 100_000, 200_000)).to.equal('ERR_TOKEN_TOO_LARGE')
    expect(fault(['PART', 90_000, 10_000], 100_000, 20_000)).to.equal(null)
  })
})
