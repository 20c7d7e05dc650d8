import { expect } from 'chai'
import { checkOption, timerDelay, wait } from '../../lib/options/checks'
import { refusal } from '../helpers/refusal'

describe('wait', () => {
  it('is milliseconds that a timer of Node can wait, or Infinity', () => {
    for (const value of [0, 1, 0x7fff_ffff, Infinity]) checkOption('delay', value, wait)
    for (const value of [-1, 0.5, NaN, -Infinity, 0x8000_0000, '1' as never, null as never]) {
      expect(refusal(() => checkOption('delay', value, wait)).message).to.contain('option delay: it ')
    }
  })
})

describe('timerDelay', () => {
  it('is milliseconds that a timer of Node can wait: Infinity fires at once, so it is refused', () => {
    for (const value of [0, 1, 0x7fff_ffff]) checkOption('delay', value, timerDelay)
    for (const value of [-1, 0.5, NaN, Infinity, 0x8000_0000]) {
      expect(refusal(() => checkOption('delay', value, timerDelay)).message).to.contain('option delay: it ')
    }
  })
})
