import { once } from 'node:events'
import { METHODS, request } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { type AddressInfo, createServer } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { expect } from 'chai'
import { classify, diagnose, type FirstBytes, MAX_FIRST_BYTES } from '../../lib/wire/foreign-protocols'
import { bytes, frame } from '../helpers/bytes'

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

/** The first bytes that a real client sends to a plain TCP server. */
async function firstBytesOf(dial: (port: number) => { destroy(): unknown }): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const connected = once(server, 'connection')
  const client = dial((server.address() as AddressInfo).port)
  const [socket] = await connected
  const [chunk] = (await once(socket, 'data')) as [Buffer]
  client.destroy()
  socket.destroy()
  server.close()
  await once(server, 'close')
  return chunk
}

const quiet = <T extends { on(event: 'error', listener: () => void): T }>(client: T): T =>
  client.on('error', () => {})

/** A token as token-server 1.0.10 writes it: backslash and newline escaped, a newline behind. */
const escaped = (token: string) => Buffer.from(`${token.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n`)

/** All cuts from the four bytes of a length on are named alike. */
function expectNamed(first: Buffer, name: string): void {
  for (let cut = 4; cut <= Math.min(first.length, MAX_FIRST_BYTES + 1); cut++) {
    expect(diagnose(first.subarray(0, cut)), `${cut} bytes`).to.equal(name)
  }
  expect(diagnose(first)).to.equal(name)
}

/** What is said of the first byte, the first two, and so on. */
function byteByByte(opening: Buffer): FirstBytes[] {
  return Array.from(opening, (_byte, index) => classify(opening.subarray(0, index + 1)))
}

/** `more` until the byte number `count`, then `answer` for good. */
function expectAt(opening: Buffer, count: number, answer: FirstBytes): void {
  const expected = Array.from(opening, (_byte, index) => (index + 1 < count ? 'more' : answer))
  expect(byteByByte(opening)).to.deep.equal(expected)
}

describe('diagnose', () => {
  it("names the first bytes of Node's HTTP client", async () => {
    for (const method of ['GET', 'POST', 'OPTIONS', 'PROPFIND']) {
      const first = await firstBytesOf(port => {
        const client = quiet(request({ port, host: '127.0.0.1', method, path: '/secret' }))
        client.end()
        return client
      })
      expect(first.toString('latin1', 0, method.length)).to.equal(method)
      expectNamed(first, 'an HTTP request')
    }
  })

  it("names the first bytes of Node's HTTP/2 client", async () => {
    const first = await firstBytesOf(port => quiet(connectHttp2(`http://127.0.0.1:${port}`)))
    expectNamed(first, 'an HTTP request')
  })

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    it(`names the ClientHello of ${version}`, async () => {
      const first = await firstBytesOf(port =>
        quiet(connectTls({ port, host: '127.0.0.1', minVersion: version, maxVersion: version }))
      )
      expect(first.subarray(0, 2)).to.deep.equal(bytes('16 03'))
      expectNamed(first, 'a TLS record')
    })
  }

  it('names the record that once was read as a length, 369296132', () => {
    const first = Buffer.alloc(4)
    first.writeUInt32BE(369_296_132)
    expectNamed(first, 'a TLS record')
  })

  for (const [name, first] of [
    ['a TLS record', bytes('15 03 03 00 02 02 28')],
    ['a TLS record', bytes('17 03 03 00 20 5a 00 11')],
    ['an HTTP response', Buffer.from('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')]
  ] as const) {
    it(`names ${name}: ${first.toString('hex', 0, 8)}`, () => expectNamed(first, name))
  }

  for (const token of ['hello', '{"a":1}\n{"b":"\\\\"}', 'Grüße', 'a\nb', 'x'.repeat(100)]) {
    it(`names token-server 1.x by a token of ${token.length} characters`, () => {
      expectNamed(escaped(token), 'text without a length before it, as token-server 1.x sends')
    })
  }

  it('names token-server 1.x by a token that is shorter than a length, and by its farewell', () => {
    for (const first of [escaped(''), escaped('a'), escaped('ok'), Buffer.from('\\\n')]) {
      expect(diagnose(first)).to.equal('text without a length before it, as token-server 1.x sends')
    }
  })

  for (const [why, first] of [
    ['nothing', ''],
    ['a token within the default limit', '00 00 00 05 68 65 6c 6c 6f'],
    ['a token over the default limit', '00 80 00 01 68'],
    ['a token of 16 MiB', '01 00 00 00'.replace('00 00 00', '00 00 01')],
    ['less than a length of letters', '47 45 54'],
    ['a top bit with a length that no control frame has', '80 00 04 01'],
    ['binary', 'de ad be ef'],
    ['a control frame of token/2', '80 00 00 33 81 02 00 00'],
    ['a length in little-endian byte order', '05 00 00 00 68 65 6c 6c 6f'],
    ['two bytes of a TLS record', '16 03']
  ] as const) {
    it(`is silent about ${why}`, () => expect(diagnose(bytes(first))).to.equal(null))
  }

  it('never repeats the bytes', () => {
    for (const first of ['GET /secret HTTP/1.1\r\n', 'HTTP/1.1 200 secret', 'secret\n']) {
      expect(diagnose(Buffer.from(first)))
        .to.be.a('string')
        .that.does.not.include('secret')
    }
  })

  it('reads a view of a larger buffer', () => {
    expect(diagnose(Buffer.from('xxxxGET / HTTP').subarray(4))).to.equal('an HTTP request')
  })
})

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
