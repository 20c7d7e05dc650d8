import { expect } from 'chai'
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

describe('FragmentRules', () => {
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
