import { expect } from 'chai'
import { expiryNotices } from '../../lib/tls/expiry-notices'

const DAY = 86_400_000
const NOW = Date.UTC(2030, 0, 1)

describe('expiryNotices', () => {
  const inDays = (days: number) => NOW + days * DAY

  it('come 14 days before the end of a certificate, then 1 day before it, then no more', () => {
    expect(expiryNotices(inDays(365), NOW)).to.deep.equal([
      { at: inDays(351), days: 14 },
      { at: inDays(364), days: 1 }
    ])
    expect(expiryNotices(inDays(365), inDays(351))).to.deep.equal([
      { at: inDays(351), days: 14 },
      { at: inDays(364), days: 1 }
    ])
  })

  it('come at once to whoever begins late, and of those missed only the last', () => {
    expect(expiryNotices(inDays(14), NOW)).to.deep.equal([
      { at: NOW, days: 14 },
      { at: inDays(13), days: 1 }
    ])
    expect(expiryNotices(inDays(3), NOW)).to.deep.equal([
      { at: inDays(-11), days: 14 },
      { at: inDays(2), days: 1 }
    ])
    expect(expiryNotices(inDays(1), NOW)).to.deep.equal([{ at: NOW, days: 1 }])
    expect(expiryNotices(inDays(0.5), NOW)).to.deep.equal([{ at: inDays(-0.5), days: 1 }])
  })

  it('are none for a certificate that has ended or whose end is no time', () => {
    for (const end of [inDays(0), inDays(-1), Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(expiryNotices(end, NOW)).to.deep.equal([])
    }
  })

  it('come on other days, or never, where these are given', () => {
    expect(expiryNotices(inDays(365), NOW, [60, 30, 7]).map(({ at }) => at)).to.deep.equal([
      inDays(305),
      inDays(335),
      inDays(358)
    ])
    expect(expiryNotices(inDays(10), NOW, [60, 30, 7])).to.deep.equal([
      { at: inDays(-20), days: 30 },
      { at: inDays(3), days: 7 }
    ])
    expect(expiryNotices(inDays(10), NOW, [])).to.deep.equal([])
  })

  it('do not come before the earliest time, and of those that it moves together the last one comes', () => {
    expect(expiryNotices(inDays(20), NOW, [14, 1], inDays(10))).to.deep.equal([
      { at: inDays(10), days: 14 },
      { at: inDays(19), days: 1 }
    ])
    expect(expiryNotices(inDays(1), NOW, [14, 1], inDays(0.5))).to.deep.equal([{ at: inDays(0.5), days: 1 }])
  })
})
