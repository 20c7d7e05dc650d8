import { Aes256Gcm } from '@hpke/core'
import type { CipherSuite } from 'hpke'
import { textOf, utf8 } from '../../lib/encoding/bytes'
import { randomBytes } from '../../lib/encoding/random-id'
import { ClientHandshake, DeviceHandshake } from '../../lib/sealing/handshake'
import { deviceIdOf } from '../../lib/sealing/keys'
import { openOnce, sealOnce } from '../../lib/sealing/once'
import type { SealingKey } from '../../lib/sealing/session'
import { ForeignPeer } from './foreign-peer'
import { frameOf } from './frame-of'

const MODES = ['shared', 'paired', 'invitation'] as const

/** Talks to the foreign peer in every part and mode, by `suite`; says what was said, in the order in which it came. Runs in browsers, too. */
export async function interop(suite: CipherSuite): Promise<string[]> {
  const said: string[] = []
  for (const mode of MODES) {
    const key: SealingKey = { id: 'key-1', mode, psk: randomBytes(32) }
    const foreign = new ForeignPeer({ version: 2, mode, aead: new Aes256Gcm(), aeadName: 'AES-256-GCM' })
    said.push(...(await foreignClient(suite, foreign, key)))
    said.push(...(await foreignDevice(suite, foreign, key)))
  }
  return said
}

export const EXPECTED = MODES.flatMap(() => [
  'first hello, one two, reply welcome, three, same export, once on?, answer yes',
  'first hello, one two, reply welcome, three, same export, answer yes'
])

async function foreignClient(suite: CipherSuite, foreign: ForeignPeer, key: SealingKey): Promise<string[]> {
  const keys = await suite.GenerateKeyPair()
  const publicKey = await suite.SerializePublicKey(keys.publicKey)
  const device = await deviceIdOf(publicKey)
  const place = { device, client: 'c1', key: key.id, session: randomBytes(8) }
  const handshake = await DeviceHandshake.create(suite, keys, device, 'c1')
  const hello = frameOf(handshake.hello())
  const sent = await foreign.start(place, key.psk, [publicKey, hello.body], utf8('hello'))
  const { session, first, accept } = await handshake.open(frameOf(sent.frame), () => key)
  const finished = await sent.finish(await accept(utf8('welcome')))
  const theirs = finished.session
  const [one, two] = [await theirs.seal(utf8('one')), await theirs.seal(utf8('two'))]
  const opened = `${textOf(await session.open(frameOf(one)))} ${textOf(await session.open(frameOf(two)))}`
  const three = textOf(await theirs.open(await session.seal(utf8('three'))))
  const exported = same(await session.export('sas', 4), await theirs.export('sas', 4))
  const once = { ...place, client: '', session: new Uint8Array(8) }
  const asked = await foreign.once(once, key.psk, publicKey, utf8('on?'))
  const got = await openOnce(suite, keys, frameOf(asked.frame), () => key)
  const answer = await asked.finish(await got.seal(utf8('yes')))
  return [
    `first ${textOf(first)}, ${opened}, reply ${textOf(finished.reply)}, ${three}, ${exported}, once ${textOf(got.plain)}, answer ${textOf(answer.reply)}`
  ]
}

async function foreignDevice(suite: CipherSuite, foreign: ForeignPeer, key: SealingKey): Promise<string[]> {
  const [keys, fresh] = [await foreign.generateKeyPair(), await foreign.generateKeyPair()]
  const publicKey = await foreign.publicBytes(keys)
  const device = await deviceIdOf(publicKey)
  const place = { device, client: 'c1', key: key.id, session: randomBytes(8) }
  const hello = frameOf(await foreign.hello(place, fresh))
  const own = await ClientHandshake.begin(suite, hello, publicKey, key, utf8('hello'), place.session)
  const accepted = await foreign.accept(place, key.psk, [keys, fresh], own.start, utf8('welcome'))
  const { session, reply } = await own.finish(frameOf(accepted.frame))
  const theirs = accepted.session
  const [one, two] = [await session.seal(utf8('one')), await session.seal(utf8('two'))]
  const opened = `${textOf(await theirs.open(one))} ${textOf(await theirs.open(two))}`
  const three = textOf(await session.open(frameOf(await theirs.seal(utf8('three')))))
  const exported = same(await session.export('sas', 4), await theirs.export('sas', 4))
  const once = { ...place, client: '', session: new Uint8Array(8) }
  const asked = await sealOnce(suite, publicKey, { device }, key, utf8('on?'))
  const answer = await foreign.answerOnce(once, key.psk, keys, asked.frame, utf8('yes'))
  return [
    `first ${textOf(accepted.first)}, ${opened}, reply ${textOf(reply)}, ${three}, ${exported}, answer ${textOf(await asked.openAnswer(frameOf(answer)))}`
  ]
}

function same(left: Uint8Array, right: Uint8Array): string {
  return left.join() === right.join() ? 'same export' : 'other export'
}
