import type { CipherSuite, Key, KeyPair, RecipientContext, SenderContext } from 'hpke'
import { ByteReader, concat, prefixed, utf8 } from '../encoding/bytes'
import { encodeHeader, type Frame, type FrameKind, type Header } from '../wire/frame'
import type { KeyMode, SealingKey, SessionPlace } from './session'

/**
 * The first flight of a client and the answer to it, by calls of RFC 9180 alone, in its PSK mode:
 *
 *     client → device   for each public key of the device: SetupSender(it, psk), psk = Export("next");
 *                       the last of the contexts seals the client's fresh public key and what it has to say
 *     device → client   SetupSender(the client's fresh key, psk = Export("back") of that last context)
 *
 * A connection has two keys of the device: the static one, so that nobody else can be the device, and a fresh one, so that what was
 * recorded stays closed. A request without a connection has the static one alone.
 */

/** Says what the bytes are for, and stands in what both ends derive: a frame of another protocol or version opens nothing. */
const PURPOSE = 'token-server remote 2'

export const MODES: readonly KeyMode[] = ['shared', 'paired', 'invitation', 'plain']

/** The device can't open it, or the client can't: a wrong key, or somebody between them changed something. */
export class HandshakeError extends Error {
  override readonly name = 'HandshakeError'
}

export interface SealedFlight {
  /** The whole frame. */
  readonly frame: Uint8Array<ArrayBuffer>
  /** From the client to the device. */
  readonly forth: SenderContext
  /**
   * Opens the answer: from the device to the client.
   *
   * @throws what hpke throws, or HandshakeError
   */
  back(answer: Frame): Promise<{ context: RecipientContext; plain: Uint8Array }>
}

export interface OpenedFlight {
  readonly forth: RecipientContext
  readonly plain: Uint8Array
  /** Seals the answer, a whole frame. `context` is that of the way back, whose first message it is. */
  answer(): Promise<{ context: SenderContext; seal(plain: Uint8Array): Promise<Uint8Array> }>
}

/** @param publicKeys of the device */
export async function sealFlight(
  suite: CipherSuite,
  publicKeys: readonly Uint8Array[],
  header: Header,
  key: SealingKey,
  plain: Uint8Array
): Promise<SealedFlight> {
  const own = await suite.GenerateKeyPair()
  const info = infoOf(suite, header, key.mode)
  const pskId = utf8(key.id)
  const encs: Uint8Array[] = []
  let forth: SenderContext | undefined
  for (const bytes of publicKeys) {
    const psk = forth === undefined ? key.psk : await forth.Export(utf8('next'), 32)
    const publicKey = await suite.DeserializePublicKey(bytes)
    const { encapsulatedSecret, ctx } = await suite.SetupSender(publicKey, { info, psk, pskId })
    encs.push(prefixed(encapsulatedSecret))
    forth = ctx
  }
  if (forth === undefined) throw new HandshakeError('the device has no key')
  const context = forth
  const clear = concat(encodeHeader(header), Uint8Array.of(MODES.indexOf(key.mode)), ...encs)
  const publicKey = prefixed(await suite.SerializePublicKey(own.publicKey))
  return {
    frame: concat(clear, await context.Seal(concat(publicKey, plain), clear)),
    forth: context,
    back: async ({ aad, body }) => {
      const reader = new ByteReader(body)
      const enc = reader.takePrefixed()
      if (enc === undefined) throw new HandshakeError('the frame answers nothing')
      const psk = await context.Export(utf8('back'), 32)
      const incoming = await suite.SetupRecipient(own, enc, { info, psk, pskId })
      const opened = await incoming.Open(reader.rest(), concat(aad, body.subarray(0, reader.offset)))
      return { context: incoming, plain: opened }
    }
  }
}

/** What stands in clear in a first flight of `count` encapsulated secrets, or undefined when there is less. */
export function readFlight(
  frame: Frame,
  count: number
): { mode: KeyMode; encs: readonly Uint8Array[]; sealed: Uint8Array; clear: Uint8Array } | undefined {
  const reader = new ByteReader(frame.body)
  const mode = MODES[reader.takeByte() ?? MODES.length]
  if (mode === undefined) return undefined
  const encs: Uint8Array[] = []
  for (let index = 0; index < (mode === 'plain' ? 0 : count); index++) {
    const enc = reader.takePrefixed()
    if (enc === undefined) return undefined
    encs.push(enc)
  }
  const clear = concat(frame.aad, frame.body.subarray(0, reader.offset))
  return { mode, encs, sealed: reader.rest(), clear }
}

/**
 * @param keys of the device, in the order in which the client used their public halves
 * @param answerKind what kind of frame answers it
 * @throws what hpke throws, or HandshakeError
 */
export async function openFlight(
  suite: CipherSuite,
  keys: readonly KeyPair<Key>[],
  { kind, device, client, key: keyId, session }: Header,
  { mode, encs, sealed, clear }: NonNullable<ReturnType<typeof readFlight>>,
  psk: Uint8Array,
  answerKind: FrameKind
): Promise<OpenedFlight> {
  const place: SessionPlace = { device, client, key: keyId, session }
  const info = infoOf(suite, { kind, ...place }, mode)
  const pskId = utf8(keyId)
  let forth: RecipientContext | undefined
  for (const [index, pair] of keys.entries()) {
    const from = forth === undefined ? psk : await forth.Export(utf8('next'), 32)
    const enc = encs[index] ?? new Uint8Array()
    forth = await suite.SetupRecipient(pair, enc, { info, psk: from, pskId })
  }
  if (forth === undefined) throw new HandshakeError('the device has no key')
  const incoming = forth
  const opened = new ByteReader(await incoming.Open(sealed, clear))
  const clientKey = opened.takePrefixed()
  if (clientKey === undefined) throw new HandshakeError('the frame begins nothing')
  return {
    forth: incoming,
    plain: opened.rest(),
    answer: async () => {
      const publicKey = await suite.DeserializePublicKey(clientKey)
      const psk = await incoming.Export(utf8('back'), 32)
      const { encapsulatedSecret, ctx } = await suite.SetupSender(publicKey, { info, psk, pskId })
      return {
        context: ctx,
        seal: async plain => {
          const header = concat(encodeHeader({ kind: answerKind, ...place }), prefixed(encapsulatedSecret))
          return concat(header, await ctx.Seal(plain, header))
        }
      }
    }
  }
}

/** All that the two ends must agree on: purpose, version, suite, kind of flight, mode, and between whom. */
function infoOf(suite: CipherSuite, header: Header, mode: KeyMode): Uint8Array<ArrayBuffer> {
  const { kind, device, client, key, session } = header
  const words = [PURPOSE, suite.KEM.name, suite.KDF.name, suite.AEAD.name, mode, device, client, key]
  return concat(...words.map(word => prefixed(utf8(word))), Uint8Array.of(kind), session)
}
