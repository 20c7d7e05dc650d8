import { sha256 } from '@noble/hashes/sha2.js'
import type { CipherSuite, Key, KeyPair, RecipientContext, SenderContext } from 'hpke'
import { concat, prefixed, utf8 } from '../encoding/bytes'
import { randomBytes } from '../encoding/random-id'
import { HandshakeError } from './flight'
import { keyId } from './keys'
import type { SealingKey } from './session'
import { type ShortCodeLanguage, shortCode } from './short-code'

/**
 * How an invitation becomes a phone's own key. All of it goes through sessions under the invitation, so that nobody on the way sees it;
 * the numbers are 32 bytes by chance.
 *
 *     phone → device    enc of SetupSender(the device's static key, psk = the invitation), SHA-256 of the phone's number
 *     device → phone    the device's number
 *     phone → device    the phone's number
 *     both              the phone's key and the words to compare: Export of that context, over both numbers
 *
 * The phone is bound to its number before it sees the device's, and the device says its own before it sees the phone's: whoever stands
 * between a phone and a device, with a QR code that he has put in place of the real one, has one try to make the words alike on both, in
 * 2³². Whoever only read the real QR code can't stand there: the static key in it is the device's.
 *
 * Nothing of it is of a connection: what was lost with one is said again on the next, and has the same answer.
 */
const PURPOSE = 'token-server remote 2 pairing'
const NUMBER_LENGTH = 32

export interface PairedKey {
  /** The phone's own. */
  readonly key: SealingKey
  /** Four, the same at both ends when nobody is between them. */
  words(language: ShortCodeLanguage): string
}

/** What a phone says first. */
export interface PairingStart {
  readonly enc: Uint8Array
  /** SHA-256 of the phone's number, and what it is for. */
  readonly commit: Uint8Array
}

/** The phone's part. */
export class PhonePairing implements PairingStart {
  readonly enc: Uint8Array
  readonly commit: Uint8Array
  /** Is said only once the device has said its own. */
  readonly number: Uint8Array
  readonly #context: SenderContext
  #deviceNumber: Uint8Array | undefined

  private constructor(enc: Uint8Array, context: SenderContext) {
    this.number = randomBytes(NUMBER_LENGTH)
    this.enc = enc
    this.commit = commitTo(this.number)
    this.#context = context
  }

  /** @throws HandshakeError when the public key is none */
  static async begin(
    suite: CipherSuite,
    devicePublicKey: Uint8Array,
    deviceId: string,
    invitation: SealingKey
  ): Promise<PhonePairing> {
    try {
      const publicKey = await suite.DeserializePublicKey(devicePublicKey)
      const { encapsulatedSecret, ctx } = await suite.SetupSender(
        publicKey,
        parametersOf(deviceId, invitation)
      )
      return new PhonePairing(encapsulatedSecret, ctx)
    } catch (cause) {
      throw new HandshakeError('the key of the device can not be used', { cause })
    }
  }

  /** @throws HandshakeError when the device has said another number before: the phone's is known by now */
  async finish(deviceNumber: Uint8Array): Promise<PairedKey> {
    const said = this.#deviceNumber
    if (said !== undefined && !isSame(said, deviceNumber))
      throw new HandshakeError('the device says two numbers')
    if (deviceNumber.length !== NUMBER_LENGTH) throw new HandshakeError('the device says no number')
    this.#deviceNumber = deviceNumber
    return await pairedKey(this.#context, this.number, deviceNumber)
  }
}

/**
 * The device's part.
 *
 * @throws HandshakeError when the phone's number is not the one that it had bound itself to, or `enc` is nothing
 */
export async function finishPairing(
  suite: CipherSuite,
  deviceKeys: KeyPair<Key>,
  deviceId: string,
  invitation: SealingKey,
  { enc, commit }: PairingStart,
  deviceNumber: Uint8Array,
  phoneNumber: Uint8Array
): Promise<PairedKey> {
  if (phoneNumber.length !== NUMBER_LENGTH || !isSame(commit, commitTo(phoneNumber)))
    throw new HandshakeError('the phone is bound to another number')
  let context: RecipientContext
  try {
    context = await suite.SetupRecipient(deviceKeys, enc, parametersOf(deviceId, invitation))
  } catch (cause) {
    throw new HandshakeError('the phone says no secret', { cause })
  }
  return await pairedKey(context, phoneNumber, deviceNumber)
}

function parametersOf(deviceId: string, invitation: SealingKey) {
  const words = [PURPOSE, deviceId, invitation.id].map(word => prefixed(utf8(word)))
  return { info: concat(...words), psk: invitation.psk, pskId: utf8(invitation.id) }
}

function commitTo(number: Uint8Array): Uint8Array {
  return sha256(concat(utf8(PURPOSE), number))
}

async function pairedKey(
  context: SenderContext | RecipientContext,
  phoneNumber: Uint8Array,
  deviceNumber: Uint8Array
): Promise<PairedKey> {
  const exported = (label: string, length: number) =>
    context.Export(concat(prefixed(utf8(label)), phoneNumber, deviceNumber), length)
  const psk = await exported('paired key', 32)
  const sas = await exported('sas', 4)
  return {
    key: { id: keyId(psk), mode: 'paired', psk },
    words: language => shortCode(sas, language)
  }
}

/** Of public values, or of hashes: how long it takes tells nothing. */
function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index])
}
