import { METHODS } from 'node:http'
import { expect } from 'chai'
import { classify, type FirstBytes, MAX_FIRST_BYTES } from '../../lib/wire/first-bytes'
import { bytes, frame } from '../helpers/bytes'

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

/** What is said of the first byte, the first two, and so on. */
function byteByByte(opening: Buffer): FirstBytes[] {
  return Array.from(opening, (_byte, index) => classify(opening.subarray(0, index + 1)))
}

/** `more` until the byte number `count`, then `answer` for good. */
function expectAt(opening: Buffer, count: number, answer: FirstBytes): void {
  const expected = Array.from(opening, (_byte, index) => (index + 1 < count ? 'more' : answer))
  expect(byteByByte(opening)).to.deep.equal(expected)
}

describe('classify', () => {
  it('needs at least one byte', () => {
    expect(classify(Buffer.alloc(0))).to.equal('more')
  })

  for (const method of METHODS) {
    it(`knows ${method} at the space behind it, and not before`, () => {
      expectAt(Buffer.from(`${method} / HTTP/1.1\r\nHost: x\r\n\r\n`), method.length + 1, 'http')
    })
  }

  it('knows HTTP/2 at the last byte of its preface', () => {
    expectAt(Buffer.from(`${PREFACE}\0\0\x12\x04`, 'latin1'), MAX_FIRST_BYTES, 'http')
  })

  for (const [text, count] of [
    ['get / HTTP/1.1', 1],
    ['GET/ HTTP/1.1', 4],
    ['GETS / HTTP/1.1', 4],
    ['POSTAL / HTTP/1.1', 5],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r!', 24],
    ['SSH-2.0-OpenSSH', 2],
    [' GET /', 1]
  ] as const) {
    it(`knows at byte ${count} that ${JSON.stringify(text)} is nothing`, () => {
      expectAt(Buffer.from(text), count, 'unknown')
    })
  }

  for (const [name, hex, count] of [
    ['5', '10 10 00 04 4d 51 54 54 05 02 00 3c 00 00 03 61 6e 6e', 8],
    ['3.1.1', '10 0f 00 04 4d 51 54 54 04 02 00 3c 00 03 61 6e 6e', 8],
    ['3.1', '10 11 00 06 4d 51 49 73 64 70 03 02 00 3c 00 03 61 6e 6e', 10],
    ['3.1.1 with a length of two bytes', '10 8f 01 00 04 4d 51 54 54 04 02', 9],
    ['3.1.1 with a length of three bytes', '10 8f 80 01 00 04 4d 51 54 54 04 02', 10],
    ['3.1.1 with a length of four bytes', '10 ff ff ff 7f 00 04 4d 51 54 54 04 02', 11]
  ] as const) {
    it(`knows a CONNECT of MQTT ${name} at the end of the protocol's name`, () => {
      expectAt(bytes(hex), count, 'mqtt')
    })
  }

  for (const [why, hex, count] of [
    ['a PUBLISH', '30 0f 00 04', 1],
    ['a CONNECT with flags', '11 0f 00 04', 1],
    ['a length of five bytes', '10 ff ff ff ff 01 00 04', 5],
    ['another name', '10 0f 00 04 4d 51 54 53', 8],
    ['the name of 3.1 with the length of 3.1.1', '10 0f 00 04 4d 51 49', 7]
  ] as const) {
    it(`takes ${why} for nothing`, () => {
      expectAt(bytes(hex), count, 'unknown')
    })
  }

  it('takes no token below 256 MiB for anything, nor a control frame, nor a TLS record', () => {
    for (const token of ['', 'GET / HTTP/1.1\r\n\r\n']) expectAt(frame(token), 1, 'unknown')
    for (let first = 0; first < 0x10; first++) {
      expect(classify(Buffer.from([first]))).to.equal('unknown')
      expect(classify(Buffer.from([first, 0x0f, 0, 4, 0x4d, 0x51, 0x54, 0x54]))).to.equal('unknown')
    }
    for (let first = 0x80; first <= 0xff; first++) expect(classify(Buffer.from([first]))).to.equal('unknown')
    expect(classify(Buffer.from([0x16]))).to.equal('unknown')
  })

  it(`has always decided after ${MAX_FIRST_BYTES} bytes`, () => {
    const rests = [PREFACE, 'UNSUBSCRIBE', 'GET ', '\x10\xff\xff\xff\xff', '\x10\x0f\x00\x04MQT']
    for (const rest of rests) {
      for (let cut = 0; cut <= rest.length; cut++) {
        const filled = Buffer.from(rest.slice(0, cut).padEnd(MAX_FIRST_BYTES, 'x'), 'latin1')
        expect(classify(filled), rest.slice(0, cut)).to.not.equal('more')
      }
    }
  })

  it('reads a view of a larger buffer, and what is no Buffer', () => {
    const larger = Buffer.from('xxGET / HTTP/1.1')
    expect(classify(larger.subarray(2))).to.equal('http')
    expect(classify(new Uint8Array(Buffer.from('HEAD /')))).to.equal('http')
  })
})
