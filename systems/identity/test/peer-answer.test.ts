import { expect } from 'chai'
import { JwtError, peerAnswer } from '../lib'

describe('What a peer is told of a refused token', () => {
  it('is that it is no token, when it is none or too long to be looked at', () => {
    expect(peerAnswer(new JwtError('ERR_JWT_MALFORMED', 'x')).kind).to.equal('malformed')
    expect(peerAnswer(new JwtError('ERR_JWT_SIZE', 'x')).kind).to.equal('malformed')
  })

  it('is the same whether the signature, the time or the audience is wrong', () => {
    const answer = peerAnswer(new JwtError('ERR_JWT_SIGNATURE', 'the signature'))
    expect(answer).to.deep.equal({ kind: 'refused', message: 'The token is refused' })
    for (const code of ['ERR_JWT_EXPIRED', 'ERR_JWT_AUDIENCE', 'ERR_JWT_REVOKED', 'ERR_JWT_KEY'] as const) {
      expect(peerAnswer(new JwtError(code, 'secret words'))).to.equal(answer)
    }
  })

  it('is a refusal when the reason is no error of this package, and shows nothing of it', () => {
    expect(peerAnswer(new Error('connect ECONNREFUSED 10.0.0.7'))).to.deep.equal({
      kind: 'refused',
      message: 'The token is refused'
    })
  })

  it('is to come again when the keys are out of reach', () => {
    expect(peerAnswer(new JwtError('ERR_JWT_UNAVAILABLE', 'x')).kind).to.equal('unavailable')
  })
})
