import { expect } from 'chai'
import { addressAndPort, summary } from '../../lib/runtime/one-line'

describe('summary', () => {
  it('is one line, without the facts that are not there', () => {
    expect(summary('Thing', ['open', null, undefined, false, '', 'CN=a\nb'])).to.equal(
      'Thing <open, CN=a\\u000ab>'
    )
  })
})

describe('addressAndPort', () => {
  it('is written as in a URL, and is what there is when something is missing', () => {
    expect(addressAndPort('192.0.2.7', 80)).to.equal('192.0.2.7:80')
    expect(addressAndPort('::1', 80)).to.equal('[::1]:80')
    expect(addressAndPort('192.0.2.7', null)).to.equal('192.0.2.7')
    expect(addressAndPort(null, 80)).to.equal(null)
  })
})
