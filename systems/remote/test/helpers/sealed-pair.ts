import { utf8 } from '../../lib/encoding/bytes'
import { randomBytes, randomId } from '../../lib/encoding/random-id'
import { ClientHandshake, DeviceHandshake } from '../../lib/sealing/handshake'
import { deviceIdOf } from '../../lib/sealing/keys'
import { nodeSuite } from '../../lib/sealing/node-suite'
import type { SealingKey, Session } from '../../lib/sealing/session'
import type { CipherSuite, KeyPair } from '../../lib/sealing/suite'
import { frameOf } from './frame-of'

export const suite = nodeSuite()

export { frameOf } from './frame-of'

export function refused(promise: Promise<unknown>): Promise<boolean> {
  return promise.then(
    () => false,
    () => true
  )
}

export function sharedKey(): SealingKey {
  return { id: 'k', mode: 'shared', psk: randomBytes(32) }
}

/** A device as far as sealing knows it. */
export interface TestDevice {
  readonly keys: KeyPair
  readonly publicKey: Uint8Array
  readonly id: string
}

/** @param ikm of its key pair, for one that is the same as before */
export async function testDevice(of: CipherSuite = suite, ikm = randomBytes(32)): Promise<TestDevice> {
  const keys = await of.DeriveKeyPair(ikm, true)
  const publicKey = await of.SerializePublicKey(keys.publicKey)
  return { keys, publicKey, id: await deviceIdOf(publicKey) }
}

/** What one handshake said, frame by frame, and the session that each end has then. */
export interface SealedPair {
  readonly client: Session
  readonly device: Session
  readonly frames: { readonly hello: Uint8Array; readonly start: Uint8Array; readonly accept: Uint8Array }
}

export async function sealedPair({
  key = sharedKey(),
  device,
  client = randomId(),
  suites: [clientSuite, deviceSuite] = [suite, suite]
}: {
  key?: SealingKey
  device?: TestDevice
  client?: string
  suites?: readonly [CipherSuite, CipherSuite]
} = {}): Promise<SealedPair> {
  const { keys, publicKey, id } = device ?? (await testDevice(deviceSuite))
  const theirs = await DeviceHandshake.create(deviceSuite, keys, id, client)
  const hello = theirs.hello()
  const own = await ClientHandshake.begin(
    clientSuite,
    frameOf(hello),
    publicKey,
    key,
    utf8('first'),
    randomBytes(8)
  )
  const { session, accept } = await theirs.open(frameOf(own.start), () => key)
  const accepted = await accept(utf8('welcome'))
  const finished = await own.finish(frameOf(accepted))
  return {
    client: finished.session,
    device: session,
    frames: { hello, start: own.start, accept: accepted }
  }
}
