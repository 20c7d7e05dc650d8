import { expect } from 'chai'
import { CipherSuite, type KEMFactory, type RecipientContext } from 'hpke'
import { ByteReader, concat, textOf, utf8 } from '../../lib/encoding/bytes'
import { randomBytes } from '../../lib/encoding/random-id'
import { openFlight, readFlight } from '../../lib/sealing/flight'
import { ClientHandshake, DeviceHandshake } from '../../lib/sealing/handshake'
import { nodeAead } from '../../lib/sealing/node-aead'
import { nodeKdf } from '../../lib/sealing/node-kdf'
import { nodeKem } from '../../lib/sealing/node-kem'
import { openOnce, sealOnce } from '../../lib/sealing/once'
import type { KeyMode, SealingKey } from '../../lib/sealing/session'
import type { KeyPair } from '../../lib/sealing/suite'
import { type Frame, FrameKind } from '../../lib/wire/frame'
import { frameOf, refused, suite, testDevice } from '../helpers/sealed-pair'

/** All that a device and a client keep: it leaks, after the traffic was recorded. */
interface Leaked {
  readonly static: KeyPair
  readonly key: SealingKey
}

/** A whole conversation as the network saw it. `fresh` is what both ends have forgotten since. */
async function recorded(mode: KeyMode) {
  const device = await testDevice()
  const key: SealingKey = { id: 'k1', mode, psk: randomBytes(32) }
  const pairs: KeyPair[] = []
  const watchedKem: KEMFactory = () => {
    const made = nodeKem()
    return {
      ...made,
      GenerateKeyPair: async () => {
        const pair = await made.GenerateKeyPair(true)
        pairs.push(pair)
        return pair
      }
    }
  }
  const watching = new CipherSuite(watchedKem, nodeKdf, nodeAead)
  const theirs = await DeviceHandshake.create(watching, device.keys, device.id, 'c1')
  const hello = frameOf(theirs.hello())
  const own = await ClientHandshake.begin(
    watching,
    hello,
    device.publicKey,
    key,
    utf8('first'),
    randomBytes(8)
  )
  const { accept, session } = await theirs.open(frameOf(own.start), () => key)
  const accepted = await accept(utf8('welcome'))
  const { session: client } = await own.finish(frameOf(accepted))
  const frames = {
    start: frameOf(own.start),
    accept: frameOf(accepted),
    forth: frameOf(await client.seal(utf8('on'))),
    back: frameOf(await session.seal(utf8('done')))
  }
  const leaked: Leaked = { static: device.keys, key }
  return { frames, leaked, fresh: { device: pairs[0] as KeyPair, client: pairs[1] as KeyPair } }
}

/** What can be opened of a start frame with these keys of the device: 'first', and all that follows from it. */
async function openStart(start: Frame, keys: readonly KeyPair[], { key }: Leaked): Promise<RecipientContext> {
  const flight = readFlight(start, 2)
  if (flight === undefined) throw new Error('no start frame')
  const opened = await openFlight(suite, keys, start, flight, key.psk, FrameKind.accept)
  expect(textOf(opened.plain)).to.equal('first')
  return opened.forth
}

/** The way back, for whoever has the context of the way forth and the client's private key. */
async function openAccept(
  accept: Frame,
  client: KeyPair,
  psk: Uint8Array,
  info: Uint8Array
): Promise<Uint8Array> {
  const reader = new ByteReader(accept.body)
  const enc = reader.takePrefixed() as Uint8Array
  const incoming = await suite.SetupRecipient(client, enc, { info, psk, pskId: utf8(accept.key) })
  return await incoming.Open(reader.rest(), concat(accept.aad, accept.body.subarray(0, reader.offset)))
}

for (const mode of ['shared', 'paired'] as const)
  describe(`R5: traffic of a ${mode} key was recorded, and then every long-term key leaks`, () => {
    it('a connection stays closed, with the leaked keys in any place', async () => {
      const { frames, leaked } = await recorded(mode)
      const others = [leaked.static, await suite.GenerateKeyPair()]
      for (const fresh of others)
        for (const own of others)
          expect(await refused(openStart(frames.start, [own, fresh], leaked))).to.equal(true)
      for (const frame of Object.values(frames))
        for (const pair of others)
          for (const info of [new Uint8Array(), frame.aad])
            expect(await refused(openAccept(frame, pair, leaked.key.psk, info))).to.equal(true)
    })

    it('it would open with the fresh keys, which nobody has any more', async () => {
      const { frames, leaked, fresh } = await recorded(mode)
      const forth = await openStart(frames.start, [leaked.static, fresh.device], leaked)
      expect(textOf(await forth.Open(frames.forth.body, frames.forth.aad))).to.equal('on')
    })

    it('of a request without a connection the question opens, and the answer stays closed', async () => {
      const device = await testDevice()
      const key: SealingKey = { id: 'k1', mode, psk: randomBytes(32) }
      const asked = await sealOnce(suite, device.publicKey, { device: device.id }, key, utf8('on?'))
      const request = frameOf(asked.frame)
      const answer = frameOf(await (await openOnce(suite, device.keys, request, () => key)).seal(utf8('yes')))
      const later = await openOnce(suite, device.keys, request, () => key)
      expect(textOf(later.plain)).to.equal('on?')
      const flight = readFlight(request, 1) as NonNullable<ReturnType<typeof readFlight>>
      const opened = await openFlight(suite, [device.keys], request, flight, key.psk, FrameKind.onceAnswer)
      const psk = await opened.forth.Export(utf8('back'), 32)
      for (const info of [new Uint8Array(), request.aad])
        expect(await refused(openAccept(answer, device.keys, psk, info))).to.equal(true)
      expect(textOf(await asked.openAnswer(answer))).to.equal('yes')
    })

    it('a session of later has keys of its own', async () => {
      const [before, after] = [await recorded(mode), await recorded(mode)]
      const forth = await openStart(
        after.frames.start,
        [after.leaked.static, after.fresh.device],
        after.leaked
      )
      expect(await refused(forth.Open(before.frames.forth.body, before.frames.forth.aad))).to.equal(true)
    })
  })

describe('R5: a shared key that leaks alone', () => {
  it('opens no request without a connection: the private key of the device is needed, too', async () => {
    const [device, other] = [await testDevice(), await testDevice()]
    const key: SealingKey = { id: 'k1', mode: 'shared', psk: randomBytes(32) }
    const asked = await sealOnce(suite, device.publicKey, { device: device.id }, key, utf8('on?'))
    expect(await refused(openOnce(suite, other.keys, frameOf(asked.frame), () => key))).to.equal(true)
  })
})
