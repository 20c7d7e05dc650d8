import { expect } from 'chai'
import { tokenTimes } from '../../lib/token/token-times'
import { codeOf, refusalOf } from '../helpers/refusal'
import { NOW } from '../helpers/tokens'

const MS = NOW * 1000

describe('The times of a token', () => {
  it('are in seconds when exp is a number, with fractions', () => {
    expect(tokenTimes({ exp: NOW + 1.5 }, MS, 0)).to.deep.equal({
      expiresAt: MS + 1500,
      issuedAt: undefined
    })
  })

  it('are in milliseconds when exp is a string of digits, as seed 004 writes it', () => {
    expect(tokenTimes({ exp: '9999999999999' }, MS, 0).expiresAt).to.equal(9_999_999_999_999)
    expect(tokenTimes({ exp: String(MS + 1) }, MS, 0).expiresAt).to.equal(MS + 1)
  })

  it('say that it is over at exp, and not before, when there is no tolerance', async () => {
    expect(tokenTimes({ exp: NOW }, MS - 1, 0).expiresAt).to.equal(MS)
    expect(await codeOf(() => tokenTimes({ exp: NOW }, MS, 0))).to.equal('ERR_JWT_EXPIRED')
  })

  it('may be off by the tolerance, both in the past and in the future', async () => {
    expect(tokenTimes({ exp: NOW }, MS + 4999, 5000).expiresAt).to.equal(MS)
    expect(await codeOf(() => tokenTimes({ exp: NOW }, MS + 5000, 5000))).to.equal('ERR_JWT_EXPIRED')
    const exp = NOW + 60
    expect(tokenTimes({ exp, nbf: NOW + 5, iat: NOW + 5 }, MS, 5000).issuedAt).to.equal(MS + 5000)
    expect(await codeOf(() => tokenTimes({ exp, nbf: NOW + 5.001 }, MS, 5000))).to.equal('ERR_JWT_NOT_YET')
    expect(await codeOf(() => tokenTimes({ exp, iat: NOW + 5.001 }, MS, 5000))).to.equal('ERR_JWT_NOT_YET')
  })

  it('are said in the words of a refusal', async () => {
    const { message } = await refusalOf(() => tokenTimes({ exp: NOW - 60 }, MS, 5000))
    expect(message).to.equal(
      'Cannot accept the token: it ended at 2025-12-31T23:59:00.000Z, 60 s ago, the tolerance is 5 s'
    )
  })

  it('are refused, and not rounded, when no Date can hold them', async () => {
    expect(await codeOf(() => tokenTimes({ exp: '9999999999999999' }, MS, 0))).to.equal('ERR_JWT_EXPIRY')
    expect(tokenTimes({ exp: '8640000000000000' }, MS, 0).expiresAt).to.equal(8.64e15)
  })
})
