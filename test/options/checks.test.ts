import { expect } from 'chai'
import { checkDelay, duration } from '../../lib/options/checks'
import { refusal } from '../helpers/refusal'

describe('duration', () => {
  it('is milliseconds that a timer of Node can wait, or Infinity', () => {
    for (const value of [0, 1, 0x7fff_ffff, Infinity]) duration('delay', value)
    for (const value of [-1, 0.5, NaN, -Infinity, 0x8000_0000, '1' as never, null as never]) {
      expect(refusal(() => duration('delay', value)).message).to.contain('option delay: it ')
    }
  })
})

describe('checkDelay', () => {
  it('is milliseconds that a timer of Node can wait: Infinity fires at once, so it is refused', () => {
    for (const value of [0, 1, 0x7fff_ffff]) checkDelay(value)
    for (const value of [-1, 0.5, NaN, Infinity, 0x8000_0000]) {
      expect(refusal(() => checkDelay(value)).message).to.contain('option delay: it ')
    }
  })
})
