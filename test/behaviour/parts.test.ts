import { expect } from 'chai'
import fc from 'fast-check'
import type { ConnectionOptions, ProtocolOptions } from '../../lib'
import {
  FEATURE_ACK,
  FEATURE_END,
  FEATURE_HANDLER,
  FEATURE_PART,
  FEATURE_STREAM,
  type Hello
} from '../../lib/wire/hello'
import { bytes, frame, frames, pattern } from '../helpers/bytes'
import { settled } from '../helpers/moments'
import { encode, recut, whole } from '../helpers/parts'
import { BarePeer, close, destroyTransports, greeted, helloFrom, OPAQUE } from '../helpers/token-2'

const KIB = 1024
const PART = bytes('80 00 00 01 85')
const ABORT = bytes('80 00 00 01 86')
const FEATURES = FEATURE_ACK | FEATURE_PART | FEATURE_END | FEATURE_HANDLER

// On a failure fast-check prints `{ seed, path }`; SEED=… repeats that run.
const parameters = process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) }

async function open(options?: ConnectionOptions & ProtocolOptions, hello: Partial<Hello> = {}) {
  const peer = await greeted('server', options, undefined, { features: FEATURES, ...hello })
  const tokens: Buffer[] = []
  const listen = () => void peer.connection.on('token', token => tokens.push(token))
  const windows = () =>
    peer.frames(true).flatMap(one => (typeof one === 'object' && one.type === 'window' ? [one.granted] : []))
  return { peer, tokens, listen, windows }
}

describe('PART and ABORT on a connection', () => {
  afterEach(destroyTransports)

  it('are offered in HELLO, and STREAM with its length where the option is set', async () => {
    for (const [options, features, length] of [
      [{}, FEATURES, undefined],
      [{ maxStreamLength: 2 ** 40 }, FEATURES | FEATURE_STREAM, 2 ** 40]
    ] as const) {
      const peer = new BarePeer('client', options)
      let hello = Buffer.alloc(0)
      peer.socket.on('data', chunk => {
        hello = chunk
      })
      await settled()
      expect(hello.readUInt32BE(7)).to.equal(features)
      expect(hello.length).to.equal(4 + (length === undefined ? 51 : 59))
      if (length !== undefined) expect(hello.readBigUInt64BE(4 + 51)).to.equal(BigInt(length))
    }
  })

  it('a token longer than the window is joined: each part is freed when it is joined', async () => {
    const window = 20_000
    const { peer, tokens, listen, windows } = await open({ receiveWindow: window })
    listen()
    const token = pattern(10 * 16_384 + 5)
    const sent = recut(whole(token), 16_384).parts
    let cost = 0
    for (const [i, part] of sent.entries()) {
      const credit = window + ((windows().at(-1) as number | undefined) ?? 0) - cost
      expect(credit, `${i}`).to.be.above(0)
      cost += part.length + 4
      await peer.say(...(i < sent.length - 1 ? [PART, frame(part)] : [frame(part)]))
    }
    expect(tokens.map(one => one.equals(token))).to.deep.equal([true])
    expect(windows().at(-1)).to.equal(10 * 16_388)
  })

  it('with nobody who listens gives no credit, and keeps the parts for who comes', async () => {
    const { peer, tokens, listen, windows } = await open({ receiveWindow: 20_000 })
    const part = pattern(16_384)
    await peer.say(PART, frame(part), PART, frame(part))
    expect(windows()).to.deep.equal([])
    expect(peer.connection.unreadBytes).to.equal(2 * (16_388 + 5))
    listen()
    await settled()
    expect(windows()).to.deep.equal([2 * 16_388])
    await peer.say('end')
    expect(tokens.map(one => one.length)).to.deep.equal([2 * 16_384 + 3])
  })

  it('count an aborted token in ACK and in CLOSE, and hand out nothing of it', async () => {
    const { peer, tokens, listen } = await open()
    listen()
    await peer.say('a', PART, frame(pattern(16_384)), ABORT, ABORT, 'b')
    expect(tokens.map(String)).to.deep.equal(['a', 'b'])
    expect(peer.frames(true).at(-1)).to.deep.equal({ type: 'ack', handed: 4 })
    expect(peer.connection.tokensReceived).to.equal(4)
    await peer.say(close())
    expect(peer.frames().at(-1)).to.include({ type: 'close', handed: 4 })
  })

  it('pass an aborted token with the one before it, when a handler has settled that', async () => {
    const { peer } = await open()
    const jobs: (() => void)[] = []
    peer.connection.handle(() => new Promise<void>(resolve => jobs.push(resolve)))
    await peer.say(ABORT)
    expect(peer.frames(true).at(-1)).to.deep.equal({ type: 'ack', handed: 1 })
    await peer.say('a', ABORT, 'b', close())
    jobs[0]?.()
    await settled()
    expect(peer.frames(true).at(-1)).to.deep.equal({ type: 'ack', handed: 3 })
    jobs[1]?.()
    await settled()
    expect(peer.frames(true).at(-1)).to.include({ type: 'close', handed: 4 })
  })

  it('answer a PING between two parts at once', async () => {
    const { peer, tokens, listen } = await open()
    listen()
    const ping = { type: 'ping', opaque: OPAQUE } as const
    await peer.say(PART, frame(pattern(16_384)), ping)
    expect(peer.frames().map(one => typeof one === 'object' && one.type)).to.deep.equal(['pong'])
    await peer.say('z')
    expect(tokens.map(one => one.length)).to.deep.equal([16_385])
  })

  it('before HELLO, and in what a server holds before it has accepted, are protocol errors', async () => {
    const peer = new BarePeer('server')
    await peer.say(PART)
    expect(peer.frames()).to.deep.include({ ...close(0x0401), type: 'close' })
    const held = new BarePeer('server', {}, { authorize: () => settled().then(() => true) })
    await held.say(helloFrom('client', { features: FEATURES }), ABORT)
    await settled()
    await settled()
    expect(held.frames()).to.deep.include({ ...close(0x0401), type: 'close' })
  })

  describe('with STREAM', () => {
    const options = { maxTokenLength: 16_384, maxStreamLength: 40_000 }
    const sent = encode(recut(whole(pattern(20_000)), 16_384))

    it('a token above maxTokenLength that a listener wants whole is too large when its turn comes', async () => {
      const { peer, tokens, listen } = await open(options)
      listen()
      await peer.say('a', sent)
      expect(tokens.map(String)).to.deep.equal(['a'])
      expect(peer.frames().at(-1)).to.include({ type: 'close', code: 0x0402 })
    })

    it('waits for a consumer that reads it in pieces', async () => {
      const { peer } = await open(options)
      await peer.say(sent)
      const { value } = await peer.connection.incomingTokens().next()
      let length = 0
      for await (const piece of value ?? []) length += piece.length
      expect(length).to.equal(20_000)
    })
  })

  for (const border of [16 * KIB, 64 * KIB]) {
    it(`tokens whose frames end within 8 bytes of ${border} arrive, in chunks of that length`, async () => {
      for (let length = border - 12; length <= border + 8; length++) {
        const { peer, tokens, listen } = await open({ receiveWindow: 0xffff_ffff })
        listen()
        const token = pattern(length)
        const parts = encode(recut(whole(token), Math.max(16_384, length - 3)))
        const input = Buffer.concat([frames(token, 'x'), parts, frame(token), parts])
        for (let at = 0; at < input.length; at += border) peer.socket.write(input.subarray(at, at + border))
        await settled()
        expect(tokens.length, `${length}`).to.equal(5)
        for (const i of [0, 2, 3, 4]) expect(tokens[i]?.equals(token), `${length}, ${i}`).to.equal(true)
        expect(String(tokens[1])).to.equal('x')
      }
    })
  }

  it('whatever the tokens, the frames between parts and the cuts are, the same tokens arrive', async () => {
    const between = fc.constantFrom<string[]>('ping', 'window', 'ignored', 'nothing')
    const token = fc.record({
      parts: fc.array(fc.integer({ min: 16_384, max: 17_000 }), { maxLength: 3 }),
      last: fc.nat({ max: 300 }),
      isAborted: fc.boolean(),
      between
    })
    const others: Record<string, Buffer> = {
      ping: Buffer.concat([bytes('80 00 00 09 83'), OPAQUE]),
      window: bytes('80 00 00 09 82 00 00 00 00 00 00 00 05'),
      ignored: bytes('80 00 00 02 05 86'),
      nothing: Buffer.alloc(0)
    }
    await fc.assert(
      fc.asyncProperty(
        fc.array(token, { maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 6 }),
        async (list, sizes) => {
          const { peer, tokens, listen } = await open({ receiveWindow: 0xffff_ffff })
          listen()
          const input = Buffer.concat(
            list.flatMap(({ parts, last, isAborted, between }, i) => [
              ...parts.flatMap(length => [PART, frame(pattern(length, i)), others[between] as Buffer]),
              isAborted ? ABORT : frame(pattern(last, i))
            ])
          )
          for (let at = 0, i = 0; at < input.length; i++) {
            const size = sizes[i % sizes.length] as number
            peer.socket.write(input.subarray(at, at + size))
            at += size
          }
          await settled()
          const expected = list.flatMap(({ parts, last, isAborted }, i) =>
            isAborted
              ? []
              : [Buffer.concat([...parts, last].map(length => pattern(length, i))).toString('hex')]
          )
          expect(peer.connection.tokensReceived).to.equal(list.length)
          expect(tokens.length).to.equal(expected.length)
          for (const [i, hex] of expected.entries()) {
            if (tokens[i]?.toString('hex') !== hex) throw new Error(`token ${i} differs`)
          }
        }
      ),
      { numRuns: 80, ...parameters }
    )
  }).timeout(60_000)
})
