import { CipherSuite } from 'hpke'
import { textOf, utf8 } from '../../lib/encoding/bytes'
import { ClientHandshake, DeviceHandshake } from '../../lib/sealing/handshake'
import { admissionTag, deviceIdOf, tagHash } from '../../lib/sealing/keys'
import { openOnce, sealOnce } from '../../lib/sealing/once'
import type { KeyMode, SealingKey } from '../../lib/sealing/session'
import { shortCode } from '../../lib/sealing/short-code'
import type { SuiteParts } from '../../lib/sealing/suite'
import { fixedKem } from './fixed-kem'
import { frameOf } from './frame-of'
import { hex, unhex } from './hex'

/** All that is chosen in a conversation; bytes are hexadecimal. */
export interface TranscriptInput {
  readonly mode: KeyMode
  readonly keyId: string
  readonly psk: string
  readonly client: string
  readonly session: string
  /** Of the device's static key pair: DeriveKeyPair of RFC 9180. */
  readonly deviceIkm: string
  /** Of each fresh key pair, in the order in which they are made: device, client, encapsulated to the static key, to the fresh one, back. */
  readonly handshakeIkms: readonly string[]
  /** Client, encapsulated to the static key, back. */
  readonly onceIkms: readonly string[]
  readonly first: string
  readonly reply: string
  readonly forth: readonly string[]
  readonly back: readonly string[]
  readonly oncePlain: string
  readonly onceAnswer: string
}

/** What follows from it. */
export interface Transcript {
  readonly publicKey: string
  readonly device: string
  readonly admissionTag: string
  readonly tagHash: string
  readonly hello: string
  readonly start: string
  readonly accept: string
  readonly forth: readonly string[]
  readonly back: readonly string[]
  readonly sas: string
  readonly words: string
  readonly onceRequest: string
  readonly onceAnswer: string
}

/** Says the conversation from both ends, by one build. Runs in browsers, too. */
export async function transcript(parts: Required<SuiteParts>, input: TranscriptInput): Promise<Transcript> {
  const suite = suiteWith(parts, input.handshakeIkms)
  const key: SealingKey = { id: input.keyId, mode: input.mode, psk: unhex(input.psk) }
  const deviceKeys = await suite.DeriveKeyPair(unhex(input.deviceIkm), true)
  const publicKey = await suite.SerializePublicKey(deviceKeys.publicKey)
  const device = await deviceIdOf(publicKey)
  const theirs = await DeviceHandshake.create(suite, deviceKeys, device, input.client)
  const hello = theirs.hello()
  const session = unhex(input.session)
  const own = await ClientHandshake.begin(suite, frameOf(hello), publicKey, key, utf8(input.first), session)
  const accepted = await theirs.open(frameOf(own.start), () => key)
  const accept = await accepted.accept(utf8(input.reply))
  const finished = await own.finish(frameOf(accept))
  same(textOf(accepted.first), input.first)
  same(textOf(finished.reply), input.reply)
  const [client, answering] = [finished.session, accepted.session]
  const forth: string[] = []
  for (const text of input.forth) {
    const frame = await client.seal(utf8(text))
    same(textOf(await answering.open(frameOf(frame))), text)
    forth.push(hex(frame))
  }
  const back: string[] = []
  for (const text of input.back) {
    const frame = await answering.seal(utf8(text))
    same(textOf(await client.open(frameOf(frame))), text)
    back.push(hex(frame))
  }
  const tag = await admissionTag(key.psk)
  const sas = await client.export('sas', 4)
  same(hex(await answering.export('sas', 4)), hex(sas))
  return {
    publicKey: hex(publicKey),
    device,
    admissionTag: hex(tag),
    tagHash: await tagHash(tag),
    hello: hex(hello),
    start: hex(own.start),
    accept: hex(accept),
    forth,
    back,
    sas: hex(sas),
    words: shortCode(sas, 'en'),
    ...(await onceTranscript(parts, input, device, key))
  }
}

async function onceTranscript(
  parts: Required<SuiteParts>,
  input: TranscriptInput,
  device: string,
  key: SealingKey
): Promise<Pick<Transcript, 'onceRequest' | 'onceAnswer'>> {
  const suite = suiteWith(parts, input.onceIkms)
  const keys = await suite.DeriveKeyPair(unhex(input.deviceIkm), true)
  const publicKey = await suite.SerializePublicKey(keys.publicKey)
  const asked = await sealOnce(suite, publicKey, { device }, key, utf8(input.oncePlain))
  const opened = await openOnce(suite, keys, frameOf(asked.frame), () => key)
  same(textOf(opened.plain), input.oncePlain)
  const answer = await opened.seal(utf8(input.onceAnswer))
  same(textOf(await asked.openAnswer(frameOf(answer))), input.onceAnswer)
  return { onceRequest: hex(asked.frame), onceAnswer: hex(answer) }
}

function suiteWith({ kem, kdf, aead }: Required<SuiteParts>, ikms: readonly string[]): CipherSuite {
  return new CipherSuite(fixedKem(kem, ikms.map(unhex)), kdf, aead)
}

function same(got: string, expected: string): void {
  if (got !== expected) throw new Error(`got ${got} in place of ${expected}`)
}
