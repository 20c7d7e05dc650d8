import { expect } from 'chai'
import { CertificateExpiry } from '../../lib/tls/certificate-expiry'
import { until } from '../helpers/loopback'

describe('CertificateExpiry', () => {
  const inMs = (milliseconds: number) => new Date(Date.now() + milliseconds)

  it('tells each at its time, the earliest first, whatever the order in which they came', async () => {
    const told: string[] = []
    const ends = new CertificateExpiry<string>(holder => told.push(holder))
    ends.set('late', inMs(150))
    ends.set('early', inMs(20))
    ends.set('never', inMs(3_600_000))
    await until(() => told.length === 2)
    expect(told).to.deep.equal(['early', 'late'])
    expect(ends.size).to.equal(1)
    ends.delete('never')
  })

  it('tells nothing of one that left, and the new date of one that was renewed', async () => {
    const told: string[] = []
    const ends = new CertificateExpiry<string>(holder => told.push(holder))
    for (const holder of ['left', 'renewed', 'stays']) ends.set(holder, inMs(20))
    ends.delete('left')
    ends.set('renewed', inMs(3_600_000))
    // It ends after the others would have: they are told in that order.
    ends.set('last', inMs(30))
    await until(() => told.includes('last'))
    expect(told).to.deep.equal(['stays', 'last'])
    ends.delete('renewed')
    expect(ends.size).to.equal(0)
  })

  it('tells at once what has ended, and what has no date that can be read', async () => {
    for (const end of [inMs(-1), new Date(Number.NaN)]) {
      const told: string[] = []
      const ends = new CertificateExpiry<string>(holder => told.push(holder))
      ends.set('a', inMs(3_600_000))
      ends.set('b', end)
      await until(() => told.length === 1)
      expect(told).to.deep.equal(['b'])
      ends.delete('a')
    }
  })

  it('one that is told may take others away and bring new ones', async () => {
    const told: string[] = []
    const ends = new CertificateExpiry<string>(holder => {
      told.push(holder)
      ends.delete('b')
      if (holder === 'a') ends.set('c', inMs(20))
    })
    const at = inMs(10)
    ends.set('a', at)
    ends.set('b', at)
    await until(() => told.length === 2)
    expect(told).to.deep.equal(['a', 'c'])
  })
})
