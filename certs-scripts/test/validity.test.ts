import { X509Certificate } from 'node:crypto'
import { expect } from 'chai'
import { createAuthority } from '../lib'
import { resolveValidity } from '../lib/validity'
import { expectRefused } from './helpers/refused'

const day = 86_400_000
const date = (days: number) => new Date(Date.UTC(2030, 0, 1) + days * day)

describe('the dates of a certificate', () => {
  it('count their days from the start that is given', () => {
    const dates = resolveValidity({ notBefore: date(0), days: 3 }, 365)
    expect(dates).to.deep.equal({ notBefore: date(0), notAfter: date(3) })
  })

  it('are taken as given, even past the authority’s end', () => {
    const dates = { notBefore: date(0), notAfter: date(9) }
    expect(resolveValidity(dates, 365, date(1))).to.deep.equal(dates)
  })

  it('end with the authority where only days are given', () => {
    expect(resolveValidity({ notBefore: date(0), days: 9 }, 365, date(1)).notAfter).to.deep.equal(date(1))
  })

  it('start before their end where only a long gone end is given', () => {
    const notAfter = new Date(0)
    expect(resolveValidity({ notAfter }, 365).notBefore).to.deep.equal(new Date(-day))
  })

  it('are refused where they would be the wrong way round', () =>
    expectRefused('ERR_CERTS_VALIDITY', () =>
      resolveValidity({ notBefore: date(1), notAfter: date(1) }, 365)
    ))

  it('are refused where the start lies after the authority’s end', () =>
    expectRefused('ERR_CERTS_AUTHORITY', () => resolveValidity({ notBefore: date(2) }, 365, date(1))))

  for (const days of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 36_501]) {
    it(`are refused for ${days} days`, () =>
      expectRefused('ERR_CERTS_VALIDITY', () => resolveValidity({ days }, 365)))
  }

  it('are refused where they are no dates', () =>
    expectRefused('ERR_CERTS_VALIDITY', () => resolveValidity({ notAfter: new Date('never') }, 365)))

  it('past 2049, where their form changes, are still read rightly', async () => {
    const { cert } = await createAuthority({ notAfter: new Date('2100-02-03T04:05:06Z') })
    expect(new Date(new X509Certificate(cert).validTo).toISOString()).to.equal('2100-02-03T04:05:06.000Z')
  })
})
