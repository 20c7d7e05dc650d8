import { once } from 'node:events'
import { request } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { type AddressInfo, createServer } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { expect } from 'chai'
import { DIAGNOSIS_LENGTH, diagnose } from '../../lib/wire/diagnose'
import { bytes, frame } from '../helpers/bytes'

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
  for (let cut = 4; cut <= Math.min(first.length, DIAGNOSIS_LENGTH + 1); cut++) {
    expect(diagnose(first.subarray(0, cut)), `${cut} bytes`).to.equal(name)
  }
  expect(diagnose(first)).to.equal(name)
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
    expectNamed(first, 'an HTTP/2 request')
  })

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    it(`names the ClientHello of ${version}`, async () => {
      const first = await firstBytesOf(port =>
        quiet(connectTls({ port, host: '127.0.0.1', minVersion: version, maxVersion: version }))
      )
      expect(first.subarray(0, 2)).to.deep.equal(bytes('16 03'))
      expectNamed(first, 'a TLS handshake')
    })
  }

  it('names the record that once was read as a length, 369296132', () => {
    const first = Buffer.alloc(4)
    first.writeUInt32BE(369_296_132)
    expectNamed(first, 'a TLS handshake')
  })

  for (const [name, first] of [
    ['a TLS alert', bytes('15 03 03 00 02 02 28')],
    ['TLS application data', bytes('17 03 03 00 20 5a 00 11')],
    ['an SSH greeting', Buffer.from('SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n')],
    ['an HTTP response', Buffer.from('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')],
    ['a PROXY protocol v1 header', Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n')],
    [
      'a PROXY protocol v2 header',
      bytes('0d 0a 0d 0a 00 0d 0a 51 55 49 54 0a 21 11 00 0c c0 00 02 01 c0 00 02 02 dc 04 01 bb')
    ],
    ['an SMTP or FTP greeting', Buffer.from('220 mail.example ESMTP Postfix\r\n')],
    ['an SMTP or FTP greeting', Buffer.from('220-mail.example\r\n220 ready\r\n')],
    ['a Redis command', Buffer.from('*1\r\n$4\r\nPING\r\n')],
    ['a Redis command', Buffer.from('*12\r\n$4\r\nMSET\r\n')],
    ['a Redis command', Buffer.from('*1001\r\n$4\r\nMSET\r\n')],
    ['an MQTT CONNECT', bytes('10 10 00 04 4d 51 54 54 05 02 00 3c 00 00 03 61 6e 6e')],
    ['an MQTT CONNECT', bytes('10 8f 01 00 04 4d 51 54 54 04 02 00 3c')],
    ['a control frame of token/2', bytes('80 00 00 33 81 02 00 00')],
    ['a control frame of token/2', bytes('80 00 00 01 85')],
    ['a control frame of token/2', bytes('80 00 04 00 81')],
    ['a length in little-endian byte order', bytes('05 00 00 00 68 65 6c 6c 6f')],
    ['a length in little-endian byte order', bytes('80 00 00 00 68 65 6c 6c 6f')],
    ['a length in little-endian byte order', bytes('00 10 00 00 00 00').fill(1, 0, 1)],
    ['a length in little-endian byte order', bytes('ff ff 7f 00')]
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
    ['two bytes of a TLS record', '16 03']
  ] as const) {
    it(`is silent about ${why}`, () => expect(diagnose(bytes(first))).to.equal(null))
  }

  it('is silent about a TLS handshake where one was expected, and names what came instead', () => {
    expect(diagnose(bytes('16 03 01 02 00 01'), 'tls')).to.equal(null)
    expect(diagnose(bytes('15 03 03 00 02 02 28'), 'tls')).to.equal(null)
    expect(diagnose(Buffer.from('GET / HTTP/1.1\r\n'), 'tls')).to.equal('an HTTP request')
    expect(diagnose(frame('hello'), 'tls')).to.equal('a token without TLS')
    expect(diagnose(bytes('80 00 00 33 81 02 00 00'), 'tls')).to.equal('a control frame of token/2')
    expect(diagnose(Buffer.from('SSH-2.0-OpenSSH_9.2p1\r\n'), 'tls')).to.equal('an SSH greeting')
  })

  it('never repeats the bytes', () => {
    for (const first of ['GET /secret HTTP/1.1\r\n', 'SSH-2.0-secret', 'secret\n', 'PROXY secret']) {
      expect(diagnose(Buffer.from(first)))
        .to.be.a('string')
        .that.does.not.include('secret')
    }
  })

  it('reads a view of a larger buffer', () => {
    expect(diagnose(Buffer.from('xxxxSSH-2.0-x').subarray(4))).to.equal('an SSH greeting')
  })
})
