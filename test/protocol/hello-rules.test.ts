import { expect } from 'chai'
import { connectionLimits } from '../../lib/options/connection-options'
import { helloFault, helloOf } from '../../lib/protocol/hello-rules'
import { FEATURE_ACK, FEATURE_END, FEATURE_HANDLER, FEATURE_PART, FEATURE_STREAM } from '../../lib/wire/hello'

const A = Buffer.alloc(32, 0xaa)
const B = Buffer.alloc(32, 0xbb)
const ZERO = Buffer.alloc(32)
const NONE = { own: [], peer: null }

describe('helloOf', () => {
  it('says the limits of this side, ACK, PART, END and HANDLER, and the certificate that it saw', () => {
    const limits = connectionLimits({ maxTokenLength: 7, heartbeat: 200, receiveWindow: 9 })
    expect(helloOf('server', limits, { own: [A], peer: B })).to.deep.equal({
      role: 'server',
      features: FEATURE_ACK | FEATURE_PART | FEATURE_END | FEATURE_HANDLER,
      maxTokenLength: 7,
      heartbeat: 200,
      receiveWindow: 9,
      fingerprint: B,
      session: null
    })
  })

  it('says STREAM and how long a token in parts may be, where the option is set', () => {
    const hello = helloOf('client', connectionLimits({ maxStreamLength: 2 ** 40 }), NONE)
    expect(hello.features).to.equal(
      FEATURE_ACK | FEATURE_PART | FEATURE_END | FEATURE_HANDLER | FEATURE_STREAM
    )
    expect(hello.maxStreamLength).to.equal(2 ** 40)
  })

  it('says zeros when it saw no certificate', () => {
    expect(helloOf('client', connectionLimits(), NONE).fingerprint).to.deep.equal(ZERO)
  })
})

describe('helloFault', () => {
  const hello = helloOf('client', connectionLimits(), { own: [], peer: A })

  it('is null when nothing is wrong', () => {
    expect(helloFault(hello, 'server', { own: [A], peer: null })).to.equal(null)
  })

  it('is a protocol-error for the role of this side, before all else', () => {
    const fault = helloFault(hello, 'client', { own: [B], peer: null })
    expect([fault?.code, fault?.closeCode]).to.deep.equal(['ERR_PROTOCOL', 'protocol-error'])
    expect(fault?.message).to.equal('Cannot greet the peer: both sides say that they are the client')
  })

  it('is a certificate-mismatch when the peer saw none of the certificates of this side', () => {
    expect(helloFault(hello, 'server', { own: [B], peer: null })?.closeCode).to.equal('certificate-mismatch')
    expect(helloFault(hello, 'server', { own: [B, A], peer: null })).to.equal(null)
  })

  it('takes zeros for a mismatch only where a certificate was presented', () => {
    const blind = { ...hello, fingerprint: ZERO }
    expect(helloFault(blind, 'server', { own: [A], peer: null })?.closeCode).to.equal('certificate-mismatch')
    expect(helloFault(blind, 'server', NONE)).to.equal(null)
    expect(helloFault(hello, 'server', NONE)).to.equal(null)
  })

  it('is a protocol-error for a session that was not asked for, on a client only', () => {
    const session = {
      id: Buffer.alloc(16, 1),
      epoch: Buffer.alloc(8),
      generation: 1,
      received: 0,
      handed: 0,
      lookup: 'new'
    } as const
    const offered = { ...hello, role: 'server', session } as const
    expect(helloFault(offered, 'client', NONE)?.closeCode).to.equal('protocol-error')
    expect(helloFault({ ...offered, role: 'client' }, 'server', NONE)).to.equal(null)
  })
})
