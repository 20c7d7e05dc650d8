import { expect } from 'chai'
import fc from 'fast-check'
import { generate } from 'mqtt-packet'
import { PacketGuard, PacketViolation } from '../../lib/wire/packet-guard'

const OPTIONS = { maxConnectBytes: 65_536, maxPacketBytes: 262_144 }
const CONNECT = generate({
  cmd: 'connect',
  clientId: 'c',
  protocolId: 'MQTT',
  protocolVersion: 4,
  clean: true,
  keepalive: 0
})
const PUBLISH = generate({
  cmd: 'publish',
  topic: 'ä/b',
  payload: 'x'.repeat(300),
  qos: 1,
  messageId: 7,
  dup: false,
  retain: false
})
const SUBSCRIBE = generate({ cmd: 'subscribe', messageId: 8, subscriptions: [{ topic: 'a/+/#', qos: 2 }] })
const PINGREQ = Buffer.from([0xc0, 0])
const ALL = Buffer.concat([CONNECT, PUBLISH, SUBSCRIBE, PINGREQ, PUBLISH])

function connected(): PacketGuard {
  const guard = new PacketGuard(OPTIONS)
  guard.take(CONNECT)
  return guard
}

function violation(hex: string, guard = connected()): PacketViolation {
  try {
    guard.take(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
  } catch (error) {
    if (error instanceof PacketViolation) return error
    throw error
  }
  throw new Error(`It was let through: ${hex}`)
}

/** PUBLISH with this topic, QoS 0. */
function publish(topic: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0x30, topic.length + 2, 0, topic.length]), topic])
}

describe('The packet guard', () => {
  it('lets whole packets pass, wherever the stream is cut', () => {
    for (let first = 0; first <= ALL.length; first++) {
      for (const second of [first, first + 1, first + 7, ALL.length]) {
        const guard = new PacketGuard(OPTIONS)
        const parts = [ALL.subarray(0, first), ALL.subarray(first, second), ALL.subarray(second)]
        const passed = parts.map(part => guard.take(Buffer.from(part)))
        expect(
          Buffer.concat(passed.filter(part => part !== null)).equals(ALL),
          `${first} ${second}`
        ).to.equal(true)
      }
    }
  })

  it('lets them pass byte for byte, each packet with its last byte', () => {
    const guard = new PacketGuard(OPTIONS)
    const passed = [...ALL].map(byte => guard.take(Buffer.from([byte]))).filter(part => part !== null)
    expect(passed.map(part => part.length)).to.deep.equal(
      [CONNECT, PUBLISH, SUBSCRIBE, PINGREQ, PUBLISH].map(packet => packet.length)
    )
    expect(Buffer.concat(passed)).to.deep.equal(ALL)
  })

  it('takes a large packet in single bytes without copying it again and again', function () {
    this.timeout(20_000)
    const guard = new PacketGuard({ ...OPTIONS, maxPacketBytes: 1 << 22 })
    guard.take(CONNECT)
    const large = generate({
      cmd: 'publish',
      topic: 'a',
      payload: Buffer.alloc(1 << 20),
      qos: 0,
      dup: false,
      retain: false
    })
    let passed: Buffer | null = null
    for (let at = 0; at < large.length; at++) passed = guard.take(large.subarray(at, at + 1)) ?? passed
    expect(passed?.equals(large)).to.equal(true)
  })

  it('B4: refuses whatever is not CONNECT by its first byte, and CONNECT twice', () => {
    for (let byte = 0; byte < 256; byte++) {
      if (byte === 0x10) continue
      expect(violation(byte.toString(16).padStart(2, '0'), new PacketGuard(OPTIONS)).reply).to.equal(
        undefined
      )
    }
    expect(violation(CONNECT.toString('hex')).message).to.include('second CONNECT')
  })

  it('B4: refuses a length above the bound as soon as it is known', () => {
    expect(violation('10 ff ff ff 7f', new PacketGuard(OPTIONS)).message).to.include('65536')
    expect(violation('30 ff ff ff 7f').message).to.include('262144')
    expect(violation('30 ff ff ff ff').message).to.include('four bytes')
  })

  it('answers another version by CONNACK 1, and a session without a client id by CONNACK 2', () => {
    const of = (version: number, flags: number, name = 'MQTT') =>
      Buffer.concat([
        Buffer.from([0x10, name.length + 8, 0, name.length]),
        Buffer.from(name),
        Buffer.from([version, flags, 0, 0, 0, 0])
      ])
    const reply = (packet: Buffer) =>
      violation(packet.toString('hex'), new PacketGuard(OPTIONS)).reply?.toString('hex')
    expect(reply(of(5, 2))).to.equal('20020001')
    expect(reply(of(3, 2))).to.equal('20020001')
    expect(reply(of(4, 2, 'MQIsdp'))).to.equal('20020001')
    expect(reply(of(4, 0))).to.equal('20020002')
    expect(reply(of(3, 2, 'MQIsdp'))).to.equal('20020002')
    expect(reply(of(4, 2, 'HTTP'))).to.equal(undefined)
  })

  it('B3: refuses text that is not UTF-8, and control characters and non-characters in it', () => {
    for (const hex of [
      '00',
      '61 00',
      '01',
      '1f',
      '7f',
      'c2 80',
      'c2 9f', // control characters
      'ff',
      'c0 80',
      'c1 bf',
      'e0 80 80',
      'f5 80 80 80',
      'f4 90 80 80',
      '80',
      'c3',
      'e2 82', // no UTF-8
      'ed a0 80',
      'ed bf bf',
      'ed a0 80 ed b0 80', // surrogates
      'ef b7 90',
      'ef b7 af',
      'ef bf be',
      'ef bf bf',
      'f0 9f bf be',
      'f4 8f bf bf' // non-characters
    ]) {
      const text = Buffer.from(hex.replaceAll(' ', ''), 'hex')
      for (const topic of [
        text,
        Buffer.concat([Buffer.from('aé'), text]),
        Buffer.concat([text, Buffer.from('é')])
      ]) {
        if (hex === 'c3' || hex === 'e2 82') if (topic !== text && topic[0] === text[0]) continue // may be completed
        expect(violation(publish(topic).toString('hex')).message, hex).to.match(/UTF-8|character/)
      }
    }
    for (const text of ['aé', '€', '\u{1f600}', '\ufeffx', '\ufffd', 'a b']) {
      expect(connected().take(publish(Buffer.from(text))), text).not.to.equal(null)
    }
  })

  it('B3: refuses NUL, a surrogate and what is no UTF-8 in each string of each packet', () => {
    const field = (bytes: Buffer) => Buffer.concat([Buffer.from([0, bytes.length]), bytes])
    const packet = (first: number, ...body: Buffer[]) => {
      const bytes = Buffer.concat(body)
      return Buffer.concat([Buffer.from([first, bytes.length]), bytes])
    }
    const start = Buffer.from([0, 4, ...Buffer.from('MQTT'), 4, 0b11000110, 0, 0])
    const good = field(Buffer.from('a'))
    const connect = (...fields: Buffer[]) => packet(0x10, start, ...fields)
    const id = Buffer.from([0, 1])
    const strings: Record<string, (text: Buffer) => Buffer> = {
      'the client id': text => connect(field(text), good, good, good, good),
      'the topic of the will': text => connect(good, field(text), good, good, good),
      'the user name': text => connect(good, good, good, field(text), good),
      'the topic': text => packet(0x32, field(text), id),
      'a filter': text => packet(0x82, id, field(text), Buffer.from([0])),
      'a filter that ends': text => packet(0xa2, id, field(text))
    }
    for (const [name, packetOf] of Object.entries(strings)) {
      const guard = () => (packetOf(Buffer.from('a'))[0] === 0x10 ? new PacketGuard(OPTIONS) : connected())
      expect(guard().take(packetOf(Buffer.from('a'))), name).not.to.equal(null)
      for (const hex of [
        '00',
        '61 00 62',
        'ff',
        'c0 af',
        'c3 28',
        'ed a0 80',
        'ed bf bf',
        'f4 90 80 80',
        'ef bf bf'
      ]) {
        const bytes = packetOf(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
        expect(violation(bytes.toString('hex'), guard()).message, `${name} ${hex}`).to.match(
          /UTF-8|character/
        )
      }
    }
  })

  it('refuses packets that the standard forbids', () => {
    for (const hex of [
      '20 02 00 00',
      '90 03 00 01 00',
      'd0 00',
      '00 00',
      'f0 00', // of a server, or of nobody
      'c1 00',
      'e1 00',
      '62 02 00 00',
      '60 02 00 01',
      '80 06 00 01 00 01 61 00', // flags, packet identifier 0
      '36 03 00 01 61',
      '38 03 00 01 61',
      '30 02 00 00',
      '30 03 00 01 23',
      '30 03 00 01 2b', // PUBLISH
      '32 03 00 01 61',
      '32 05 00 01 61 00 00',
      '30 02 00 09',
      '82 02 00 01',
      '82 05 00 01 00 01 61',
      '82 06 00 01 00 01 61 03',
      '82 06 00 00 00 01 61 00',
      '82 07 00 01 00 02 61 23 00',
      'a2 02 00 01',
      'a2 04 00 01 00 00',
      'c0 01 00',
      'e0 01 00',
      '40 03 00 01 00'
    ]) {
      expect(violation(hex)).to.be.instanceOf(PacketViolation)
    }
  })

  it('lets pass or refuses any bytes, and throws nothing else', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 5 }),
        fc.boolean(),
        (chunks, isIn) => {
          const guard = isIn ? connected() : new PacketGuard(OPTIONS)
          try {
            for (const chunk of chunks) guard.take(Buffer.from(chunk))
          } catch (error) {
            expect(error).to.be.instanceOf(PacketViolation)
          }
        }
      ),
      { numRuns: 20_000 }
    )
  })
})
