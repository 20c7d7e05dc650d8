import { Aes128Gcm, Aes256Gcm } from '@hpke/core'
import { expect } from 'chai'
import { AEAD_AES_128_GCM } from 'hpke'
import { utf8 } from '../../lib/encoding/bytes'
import { randomBytes } from '../../lib/encoding/random-id'
import { ClientHandshake, DeviceHandshake } from '../../lib/sealing/handshake'
import { openOnce } from '../../lib/sealing/once'
import type { KeyMode, SealingKey } from '../../lib/sealing/session'
import { createSuite } from '../../lib/sealing/suite'
import { decodeFrame, encodeFrame, FrameKind, NO_SESSION } from '../../lib/wire/frame'
import { ForeignPeer, type Terms } from '../helpers/foreign-peer'
import { frameOf, refused, sealedPair, suite, testDevice } from '../helpers/sealed-pair'

const VERSIONS = [1, 2, 3]
const MODES = ['shared', 'paired', 'invitation'] as const
const AEADS = [
  { aeadName: 'AES-256-GCM', make: () => new Aes256Gcm() },
  { aeadName: 'AES-128-GCM', make: () => new Aes128Gcm() }
]

/** What a client may have meant, each with each. */
const TERMS: readonly (Terms & { readonly mode: KeyMode })[] = VERSIONS.flatMap(version =>
  MODES.flatMap(mode => AEADS.map(({ aeadName, make }) => ({ version, mode, aeadName, aead: make() })))
)

const MODE_BYTES = [...MODES, 'plain'] as const

describe('R14: a relay that rewrites version, mode or suite', function () {
  this.timeout(60_000)

  it('has every pair of what was meant and what is claimed refused, but the one where it changed nothing', async () => {
    const device = await testDevice()
    const taken: string[] = []
    let pairs = 0
    for (const terms of TERMS)
      for (const version of VERSIONS)
        for (const [claimed, mode] of MODE_BYTES.entries())
          for (const part of ['start', 'once'] as const) {
            pairs++
            const key: SealingKey = {
              id: 'k',
              mode,
              psk: mode === 'plain' ? new Uint8Array() : randomBytes(32)
            }
            const psk = mode === 'plain' ? randomBytes(32) : key.psk
            const peer = new ForeignPeer(terms)
            const isOnce = part === 'once'
            const place = {
              device: device.id,
              client: isOnce ? '' : 'c',
              key: 'k',
              session: new Uint8Array(8)
            }
            const theirs = await DeviceHandshake.create(suite, device.keys, device.id, 'c')
            const publicKeys = [device.publicKey, frameOf(theirs.hello()).body]
            const { frame } = isOnce
              ? await peer.once(place, psk, device.publicKey, utf8('x'))
              : await peer.start(place, psk, publicKeys, utf8('x'))
            const claim = frame.slice()
            claim[0] = version
            claim[peer.headerLength(place)] = claimed
            const decoded = decodeFrame(claim)
            // A device that takes no plain sessions has no key for them.
            const find = (_: string, asked: KeyMode) => (asked === 'plain' ? undefined : key)
            const opening =
              decoded && (isOnce ? openOnce(suite, device.keys, decoded, find) : theirs.open(decoded, find))
            if (opening !== undefined && !(await refused(opening)))
              taken.push(
                `${part}: version ${terms.version}, ${terms.mode}, ${terms.aeadName} as ${version}, ${mode}`
              )
          }
    console.log(`        ${pairs} pairs`)
    expect(taken.sort()).to.deep.equal(
      MODES.flatMap(mode =>
        ['start', 'once'].map(part => `${part}: version 2, ${mode}, AES-256-GCM as 2, ${mode}`)
      ).sort()
    )
  })

  it('can not make a client that has a key take a session without one', async () => {
    const device = await testDevice()
    const key: SealingKey = { id: 'k', mode: 'shared', psk: randomBytes(32) }
    const theirs = await DeviceHandshake.create(suite, device.keys, device.id, 'c')
    const hello = frameOf(theirs.hello())
    const own = await ClientHandshake.begin(suite, hello, device.publicKey, key, utf8('x'), randomBytes(8))
    for (const body of [utf8('welcome'), new Uint8Array(), new Uint8Array(34), randomBytes(100)]) {
      const forged = frameOf(encodeFrame({ ...own.place, kind: FrameKind.accept }, body))
      expect(await refused(own.finish(forged))).to.equal(true)
    }
  })

  it('can not make a device take a session without a key for one that has one', async () => {
    const device = await testDevice()
    const key: SealingKey = { id: 'k', mode: 'shared', psk: randomBytes(32) }
    const theirs = await DeviceHandshake.create(suite, device.keys, device.id, 'c')
    const header = { kind: FrameKind.start, device: device.id, client: 'c', key: 'k', session: NO_SESSION }
    const plain = frameOf(encodeFrame(header, Uint8Array.from([3, ...utf8('x')])))
    expect(await refused(theirs.open(plain, () => key))).to.equal(true)
    expect(await refused(theirs.open(plain, (_, mode) => (mode === 'plain' ? undefined : key)))).to.equal(
      true
    )
  })

  it('can not have a frame of one kind taken for one of another', async () => {
    const { client, device, frames } = await sealedPair()
    const kinds = Object.values(FrameKind).filter(kind => kind !== FrameKind.sealed)
    const sealed = await client.seal(utf8('x'))
    for (const kind of kinds) {
      expect(await refused(device.open(frameOf(withKind(sealed, kind)))), `sealed as ${kind}`).to.equal(true)
      expect(await refused(client.open(frameOf(withKind(frames.accept, kind))))).to.equal(true)
    }
    expect(await refused(device.open(frameOf(sealed)))).to.equal(false)
  })

  it('has no suite to choose from: another one is not even made', () => {
    expect(() => createSuite({ aead: AEAD_AES_128_GCM })).to.throw(TypeError)
  })
})

function withKind(frame: Uint8Array, kind: FrameKind): Uint8Array {
  const changed = frame.slice()
  changed[1] = kind
  return changed
}
