import { isLong } from '@token-server/test-helpers'
import { expect } from 'chai'
import { CipherSuite } from 'hpke'
import { prefixed, utf8 } from '../../lib/encoding/bytes'
import { randomBytes } from '../../lib/encoding/random-id'
import { HandshakeError, sealFlight } from '../../lib/sealing/flight'
import { ClientHandshake, DeviceHandshake } from '../../lib/sealing/handshake'
import { nodeAead } from '../../lib/sealing/node-aead'
import { nodeKdf } from '../../lib/sealing/node-kdf'
import { nodeKem } from '../../lib/sealing/node-kem'
import { openOnce, sealOnce } from '../../lib/sealing/once'
import { decodeControl } from '../../lib/wire/control'
import { decodeFrame, encodeFrame, FrameKind } from '../../lib/wire/frame'
import { decodeMessages, encodeMessages } from '../../lib/wire/message'
import { Chance } from '../helpers/chance'
import {
  frameOf,
  type SealedPair,
  sealedPair,
  sharedKey,
  suite,
  type TestDevice,
  testDevice
} from '../helpers/sealed-pair'

const RUNS = isLong ? 1_000_000 : 5000
/** Each run of these seals or opens something. */
const SEALED_RUNS = isLong ? 1_000_000 : 1000

/** No input may take longer, in milliseconds: all are shorter than 1 KiB. What takes longer is tried again, as others use the machine, too. */
const MAX_TIME = 50
const TRIES = 5

describe('R6: decoders that get what nobody meant', function () {
  this.timeout(3_600_000)

  const chance = new Chance()
  const key = sharedKey()
  const find = () => key
  let device: TestDevice
  let pair: SealedPair
  let once: Uint8Array
  let samples: readonly Uint8Array[]

  before(async () => {
    device = await testDevice()
    pair = await sealedPair({ key, device, client: 'c1' })
    const asked = await sealOnce(suite, device.publicKey, { device: device.id }, key, utf8('on?'))
    once = asked.frame
    const { hello, start, accept } = pair.frames
    const answer = await (await openOnce(suite, device.keys, frameOf(once), find)).seal(utf8('yes'))
    const control = { kind: FrameKind.control, device: '', client: '', key: '', session: new Uint8Array(8) }
    samples = [
      hello,
      start,
      accept,
      once,
      answer,
      await pair.client.seal(utf8('x')),
      encodeFrame(control, utf8('{"do":"join","device":"d"}'))
    ]
  })

  /** Runs `one` again and again; what it throws must be one of `errors`. */
  async function fuzz(
    runs: number,
    input: () => Uint8Array,
    one: (bytes: Uint8Array) => unknown,
    errors: (error: Error) => boolean
  ): Promise<void> {
    let [longest, refused] = [0, 0]
    for (let run = 0; run < runs; run++) {
      const bytes = input()
      let time = Infinity
      for (let tries = 0; tries < TRIES && time > MAX_TIME; tries++) {
        const began = performance.now()
        try {
          const result = one(bytes)
          if (result instanceof Promise) await result
        } catch (error) {
          if (tries === 0) refused++
          if (!(error instanceof Error && errors(error)))
            throw new Error(`SEED=${chance.seed}, run ${run}, ${bytes.length} bytes`, { cause: error })
        }
        time = Math.min(time, performance.now() - began)
      }
      longest = Math.max(longest, time)
    }
    console.log(`        ${runs} runs, ${refused} refused, the longest ${longest.toFixed(1)} ms`)
    expect(longest).to.be.below(MAX_TIME)
  }

  const mutated = () => chance.mutated(chance.of(samples))
  const isHandshakeError = (error: Error) => error instanceof HandshakeError
  const never = () => false

  it('a frame', () =>
    fuzz(
      RUNS,
      () => (chance.below(3) === 0 ? chance.bytes(chance.below(300)) : mutated()),
      decodeFrame,
      never
    ))

  it('a control frame', () =>
    fuzz(
      RUNS,
      () => chance.mutated(samples[6] as Uint8Array),
      bytes => {
        const frame = decodeFrame(bytes)
        if (frame !== undefined) decodeControl(frame)
      },
      never
    ))

  it('a handshake, by the device', async () => {
    const theirs = await DeviceHandshake.create(suite, device.keys, device.id, 'c1')
    const start = samples[1] as Uint8Array
    await fuzz(
      SEALED_RUNS,
      () => chance.mutated(start),
      async bytes => {
        const frame = decodeFrame(bytes)
        if (frame !== undefined) await theirs.open(frame, find)
      },
      isHandshakeError
    )
  })

  it('a handshake, by the client', async () => {
    const theirs = await DeviceHandshake.create(suite, device.keys, device.id, 'c1')
    const hello = frameOf(theirs.hello())
    const begin = (frame = hello) =>
      ClientHandshake.begin(suite, frame, device.publicKey, key, utf8('x'), randomBytes(8))
    const own = await begin()
    const { accept } = await theirs.open(frameOf(own.start), find)
    const accepted = await accept(utf8('y'))
    await fuzz(
      SEALED_RUNS,
      () => chance.mutated(accepted),
      async bytes => {
        const frame = decodeFrame(bytes)
        if (frame !== undefined && !Buffer.from(bytes).equals(accepted)) await own.finish(frame)
      },
      isHandshakeError
    )
    await fuzz(
      SEALED_RUNS / 10,
      () => chance.mutated(theirs.hello()),
      async bytes => {
        const frame = decodeFrame(bytes)
        if (frame !== undefined) await begin(frame)
      },
      isHandshakeError
    )
  })

  it('a request without a connection', () =>
    fuzz(
      SEALED_RUNS,
      () => chance.mutated(once),
      async bytes => {
        const frame = decodeFrame(bytes)
        if (frame !== undefined) await openOnce(suite, device.keys, frame, find)
      },
      isHandshakeError
    ))

  it('what a client that has the key seals in its first flight, in place of its public key', async () => {
    const header = {
      kind: FrameKind.start,
      device: device.id,
      client: 'c1',
      key: key.id,
      session: randomBytes(8)
    }
    const flight = prefixed(new Uint8Array(32))
    const withoutKey = new CipherSuite(
      () => ({ ...nodeKem(), SerializePublicKey: () => Promise.resolve(chance.mutated(flight)) }),
      nodeKdf,
      nodeAead
    )
    await fuzz(
      SEALED_RUNS / 10,
      () => new Uint8Array(),
      async () => {
        const theirs = await DeviceHandshake.create(suite, device.keys, device.id, 'c1')
        const publicKeys = [device.publicKey, frameOf(theirs.hello()).body]
        const { frame } = await sealFlight(withoutKey, publicKeys, header, key, utf8('x'))
        await (await theirs.open(frameOf(frame), find)).accept(utf8('y'))
      },
      isHandshakeError
    )
  })

  it('a batch of messages, after it was opened', async () => {
    const batches = [
      encodeMessages([
        ['req', 1, 'switch', { on: true, deep: [[[{ a: [1, 2, { b: null }] }]]] }, { ifRev: 3 }]
      ]),
      encodeMessages([
        ['res', 1, 4, 'text \u00e9\u{1f600}'],
        ['cancel', 2]
      ]),
      utf8(`[["req",1,"e",${'['.repeat(64)}${']'.repeat(64)}]]`)
    ]
    await fuzz(
      RUNS,
      () => chance.mutated(chance.of(batches)),
      bytes => decodeMessages(bytes),
      // Words of ours, without a word of the content.
      ({ message }) =>
        /^(JSON is nested deeper than 66|bytes are no UTF-8|text is no JSON|a batch is no array|a message is no array)$/.test(
          message
        )
    )
    const { client, device: answering } = await sealedPair()
    await fuzz(
      SEALED_RUNS,
      () => chance.mutated(chance.of(batches)),
      async bytes => decodeMessages(await answering.open(frameOf(await client.seal(bytes)))),
      ({ message }) => /^[A-Za-z0-9 -]+$/.test(message)
    )
  })
})
