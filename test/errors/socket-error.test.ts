import { expect } from 'chai'
import { codeOf, dialError, socketError } from '../../lib/errors/socket-error'
import { TokenError } from '../../lib/errors/token-error'

function nodeError(code: string): Error {
  return Object.assign(new Error(`with ${code}`), { code })
}

describe('codeOf', () => {
  const table: [string, unknown, string][] = [
    ['the code of an error of Node', nodeError('ECONNRESET'), 'ECONNRESET'],
    ['the name of an error without a code', new RangeError('x'), 'RangeError'],
    ['the type of what is no error', 'text', 'string'],
    ['undefined', undefined, 'undefined'],
    [
      'each code of an AggregateError once',
      new AggregateError([nodeError('ECONNREFUSED'), nodeError('ECONNREFUSED'), nodeError('ENETUNREACH')]),
      'ECONNREFUSED, ENETUNREACH'
    ],
    ['an AggregateError in another', new AggregateError([new AggregateError([nodeError('EPERM')])]), 'EPERM']
  ]
  for (const [what, error, code] of table) {
    it(`is ${what}`, () => {
      expect(codeOf(error)).to.equal(code)
    })
  }
})

describe('socketError', () => {
  it('wraps what the socket said', () => {
    const cause = nodeError('ECONNRESET')
    const error = socketError(cause)
    expect(error.code).to.equal('ERR_SOCKET')
    expect(error.cause).to.equal(cause)
    expect(error.message).to.contain('ECONNRESET')
  })

  it('leaves a TokenError as it is', () => {
    const error = new TokenError('ERR_TRUNCATED', 'x')
    expect(socketError(error)).to.equal(error)
  })

  it('knows an alert, by which a TLS 1.3 peer refuses a certificate after the handshake', () => {
    expect(socketError(nodeError('ERR_SSL_TLSV1_ALERT_UNKNOWN_CA')).code).to.equal('ERR_HANDSHAKE')
    expect(socketError(nodeError('ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED')).code).to.equal('ERR_HANDSHAKE')
    expect(socketError(nodeError('ERR_SSL_WRONG_VERSION_NUMBER')).code).to.equal('ERR_SOCKET')
  })
})

describe('dialError', () => {
  const table: [string, string, boolean, string][] = [
    ['nobody listens', 'ECONNREFUSED', false, 'ERR_CONNECT'],
    ['the name is unknown', 'ENOTFOUND', false, 'ERR_CONNECT'],
    ['TCP was open and TLS failed', 'ECONNRESET', true, 'ERR_HANDSHAKE'],
    ['TLS found something else on the port', 'ERR_SSL_WRONG_VERSION_NUMBER', true, 'ERR_HANDSHAKE']
  ]
  for (const [what, code, isTcpOpen, result] of table) {
    it(`is ${result} when ${what}`, () => {
      const cause = nodeError(code)
      const error = dialError(cause, 'localhost:1', isTcpOpen)
      expect(error.code).to.equal(result)
      expect(error.cause).to.equal(cause)
      expect(error.message)
        .to.match(/^Cannot .*localhost:1/)
        .and.contain(code)
    })
  }
})
