import { expect } from 'chai'
import { utf8 } from '../../lib/encoding/bytes'
import { type ControlMessage, decodeControl, encodeControl, MAX_CONTROL_BYTES } from '../../lib/wire/control'
import { decodeFrame, encodeFrame, type Frame, FrameKind, NO_SESSION } from '../../lib/wire/frame'

const messages: readonly ControlMessage[] = [
  { do: 'join', device: 'lamp', jwt: 'a.b.c' },
  { do: 'join', device: '', tag: 'AAAA' },
  { do: 'welcome', client: 'c', device: 'd', publicKey: 'AAAA', online: true },
  { do: 'online' },
  { do: 'offline' },
  { do: 'register', publicKey: 'AAAA', name: 'lamp' },
  { do: 'challenge', enc: 'AAAA', sealed: 'AAAA' },
  { do: 'proof', nonce: 'AAAA' },
  { do: 'registered', device: 'd' },
  { do: 'admit', tags: ['AAAA'] },
  { do: 'opened', client: 'c', by: { jwt: { id: '7' } } },
  { do: 'closed', client: 'c', why: 'revoked' },
  { do: 'renew', jwt: 'a.b.c' },
  { do: 'renewed', ok: false },
  { do: 'bye', why: 'kicked', retry: false }
]

function controlOf(body: string, kind: FrameKind = FrameKind.control): ControlMessage | undefined {
  const header = { kind, device: '', client: '', key: '', session: NO_SESSION }
  return decodeControl(decodeFrame(encodeFrame(header, utf8(body))) as Frame)
}

describe('A control frame', () => {
  it('says what was put into it', () => {
    for (const message of messages)
      expect(decodeControl(decodeFrame(encodeControl(message)) as Frame)).to.deep.equal(message)
  })

  it('says nothing when a part is missing, or is of another type', () => {
    for (const message of messages) {
      for (const name of Object.keys(message)) {
        const bad = { ...message, [name]: { toString: 'x' } }
        if (name !== 'by') expect(controlOf(JSON.stringify(bad)), `${message.do}.${name}`).to.equal(undefined)
      }
    }
    expect(controlOf('{"do":"welcome"}')).to.equal(undefined)
  })

  it('says nothing when it is no object, no JSON, of another kind, or too long', () => {
    for (const body of ['', '[]', 'null', '"join"', '{', '{"do":"constructor"}', '{"do":"__proto__"}'])
      expect(controlOf(body), body).to.equal(undefined)
    expect(controlOf('{"do":"online"}', FrameKind.sealed)).to.equal(undefined)
    const long = JSON.stringify({ do: 'join', device: '', jwt: 'x'.repeat(MAX_CONTROL_BYTES) })
    expect(controlOf(long)).to.equal(undefined)
  })
})
