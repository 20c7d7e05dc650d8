import { expect } from 'chai'
import { closeCodeOf } from '../../lib/errors/close-code-of'
import { TokenError, type TokenErrorCode } from '../../lib/errors/token-error'

describe('closeCodeOf', () => {
  const told: [TokenErrorCode, string][] = [
    ['ERR_CLOSE_TIMEOUT', 'normal'],
    ['ERR_FRAME_TIMEOUT', 'frame-timeout'],
    ['ERR_HANDSHAKE_TIMEOUT', 'handshake-timeout'],
    ['ERR_IDLE_TIMEOUT', 'idle-timeout'],
    ['ERR_PROTOCOL', 'protocol-error'],
    ['ERR_REFUSED', 'refused'],
    ['ERR_SERVER_CLOSED', 'shutdown'],
    ['ERR_SLOW_CONSUMER', 'slow-consumer'],
    ['ERR_TOKEN_TOO_LARGE', 'too-large'],
    ['ERR_TOO_MANY_CONNECTIONS', 'overloaded'],
    ['ERR_TOO_MANY_CONNECTIONS_PER_IDENTITY', 'overloaded']
  ]
  for (const [code, closeCode] of told) {
    it(`tells the peer of ${code} with ${closeCode}`, () => {
      expect(closeCodeOf(new TokenError(code, 'Cannot'))).to.equal(closeCode)
    })
  }

  it('is the code that the error bears, where it bears one', () => {
    expect(closeCodeOf(new TokenError('ERR_PROTOCOL', 'Cannot', { closeCode: 'flow-control' }))).to.equal(
      'flow-control'
    )
  })

  it('is nothing where the peer spoke itself, whatever it said', () => {
    expect(closeCodeOf(new TokenError('ERR_PEER_CLOSED', 'Cannot', { closeCode: 'refused' }))).to.equal(null)
  })

  for (const code of [
    'ERR_ABORTED',
    'ERR_LOST',
    'ERR_SOCKET',
    'ERR_HEARTBEAT_TIMEOUT',
    'ERR_WRITE_TIMEOUT'
  ] as const) {
    it(`is nothing for ${code}: the peer can't hear it, or it is none of its business`, () => {
      expect(closeCodeOf(new TokenError(code, 'Cannot'))).to.equal(null)
    })
  }
})
