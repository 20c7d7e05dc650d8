import { expect } from 'chai'
import { TokenError } from '../../lib/errors/token-error'

describe('TokenError', () => {
  it('is an Error with its own name, a code and a message', () => {
    const error = new TokenError('ERR_SOCKET', 'Cannot use the connection')
    expect(error).to.be.instanceOf(Error)
    expect(error.name).to.equal('TokenError')
    expect(error.code).to.equal('ERR_SOCKET')
    expect(String(error)).to.equal('TokenError: Cannot use the connection')
    expect(error.stack).to.match(/^TokenError: Cannot use the connection\n/)
  })

  it('bears the error behind it, and has no cause without one', () => {
    const cause = new Error('read ECONNRESET')
    expect(new TokenError('ERR_SOCKET', 'x', { cause }).cause).to.equal(cause)
    expect(Object.hasOwn(new TokenError('ERR_SOCKET', 'x'), 'cause')).to.equal(false)
  })
})
