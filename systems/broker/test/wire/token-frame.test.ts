import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { decodeFrame, encodeFrame, FrameError, type Header } from '../../lib/wire/token-frame'

const PAGE = readFileSync(join(__dirname, '../../../docs/token-door.md'), 'utf8')

/** The examples of the page, by name. */
const EXAMPLES = new Map(
  [...PAGE.matchAll(/^```hex (\w+)\n([\s\S]*?)^```/gm)].map(([, name = '', lines = '']) => {
    const hex = lines.split('\n').map(line => line.slice(0, 48).replaceAll(' ', ''))
    return [name, Buffer.from(hex.join(''), 'hex')]
  })
)

const FRAMES: Record<string, { header: Header; payload: string }> = {
  publish: { header: { type: 'publish', topic: 'ping', qos: 1 }, payload: 'hi' },
  published: { header: { type: 'published' }, payload: '' },
  message: {
    header: { type: 'message', topic: 'ping', qos: 1, sender: { id: '7', kind: 'user' } },
    payload: 'hi'
  },
  refused: {
    header: {
      type: 'refused',
      code: 'not-allowed',
      why: 'topics that begin with "$" are for admins',
      refusal: '0a1b2c3d'
    },
    payload: ''
  }
}

describe('A frame of the token door', () => {
  for (const [name, { header, payload }] of Object.entries(FRAMES)) {
    it(`is, for ${name}, the bytes that the page shows`, () => {
      const bytes = EXAMPLES.get(name)
      expect(encodeFrame(header, Buffer.from(payload)).toString('hex')).to.equal(bytes?.toString('hex'))
      const frame = decodeFrame(bytes as Buffer)
      expect(frame.header).to.deep.equal(header)
      expect(frame.payload.toString()).to.equal(payload)
    })
  }

  it('has each example of the page in this test', () => {
    expect([...EXAMPLES.keys()].sort()).to.deep.equal(Object.keys(FRAMES).sort())
  })

  it('leaves a field out that is undefined', () => {
    expect(decodeFrame(encodeFrame({ type: 'x', token: undefined })).header).to.deep.equal({ type: 'x' })
  })

  it('is refused at each length short of its header', () => {
    const frame = encodeFrame({ type: 'x' })
    for (let length = 0; length < frame.length; length++) {
      expect(() => decodeFrame(frame.subarray(0, length)), String(length)).to.throw(FrameError)
    }
  })

  const BROKEN = {
    'no JSON': 'x',
    'a list': '["type"]',
    'a text': '"type"',
    null: 'null',
    'an object without type': '{}',
    'a type that is a number': '{"type":1}'
  }
  for (const [what, text] of Object.entries(BROKEN)) {
    it(`is refused when its header is ${what}`, () => {
      expect(() => decodeFrame(frameOf(Buffer.from(text)))).to.throw(FrameError)
    })
  }

  it('is refused when its header is no UTF-8', () => {
    expect(() => decodeFrame(frameOf(Buffer.from('{"type":"\xff"}', 'latin1')))).to.throw(FrameError)
  })

  it('is not written with a header above 65,535 bytes', () => {
    expect(() => encodeFrame({ type: 'x', topic: 'a'.repeat(65_536) })).to.throw(FrameError)
  })
})

function frameOf(header: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(header.length)
  return Buffer.concat([length, header])
}
