import type { CipherSuite, Key, KeyPair } from 'hpke'
import { copyOf } from '../encoding/bytes'
import { type Frame, FrameKind, NO_SESSION } from '../wire/frame'
import { HandshakeError, openFlight, readFlight, sealFlight } from './flight'
import { type FindKey, keyFor } from './handshake'
import { deviceIdOf } from './keys'
import type { KeyMode, SealingKey } from './session'

export interface SealedOnce {
  /** The onceRequest frame. */
  readonly frame: Uint8Array
  /** @throws HandshakeError when it is no answer of this device to this request */
  openAnswer(frame: Frame): Promise<Uint8Array>
}

export interface OpenedOnce {
  readonly plain: Uint8Array
  /** Tells this request from all others; a repeated one has it, too. For `OnceReplays`. */
  readonly enc: Uint8Array
  readonly mode: KeyMode
  readonly keyId: string
  /** The onceAnswer frame. Once. */
  seal(answer: Uint8Array): Promise<Uint8Array>
}

/**
 * One request that needs no connection, sealed to the device's static key, in the shape of RFC 9458. The answer is sealed to a key that
 * is gone after it, so that it stays closed when keys leak later; the request is not.
 *
 * @throws HandshakeError when the key of the device is none, or is not that of `place.device`; or for the empty key
 */
export async function sealOnce(
  suite: CipherSuite,
  devicePublicKey: Uint8Array,
  place: { readonly device: string },
  key: SealingKey,
  plain: Uint8Array
): Promise<SealedOnce> {
  if (key.mode === 'plain') throw new HandshakeError('a request without a connection needs a key')
  if (place.device !== (await deviceIdOf(devicePublicKey)))
    throw new HandshakeError('the static key is of another device')
  const { device } = place
  const header = { kind: FrameKind.onceRequest, device, client: '', key: key.id, session: NO_SESSION }
  try {
    const { frame, back } = await sealFlight(suite, [devicePublicKey], header, key, plain)
    return {
      frame,
      openAnswer: async answer => {
        if (answer.kind !== FrameKind.onceAnswer) throw new HandshakeError('the frame answers nothing')
        return (await back(answer).catch(refuse('the answer can not be opened'))).plain
      }
    }
  } catch (cause) {
    throw new HandshakeError('the static key of the device can not be used', { cause })
  }
}

/**
 * Whoever calls it refuses by `OnceReplays` what came before or is too old, before it does anything.
 *
 * @param find as in a handshake; `plain` is never asked for
 * @throws HandshakeError
 */
export async function openOnce(
  suite: CipherSuite,
  deviceKeys: KeyPair<Key>,
  frame: Frame,
  find: FindKey
): Promise<OpenedOnce> {
  const flight = frame.kind === FrameKind.onceRequest ? readFlight(frame, 1) : undefined
  const [enc] = flight?.encs ?? []
  if (flight === undefined || enc === undefined) throw new HandshakeError('the frame asks nothing')
  const { psk } = await keyFor(flight.mode, frame.key, find)
  const opened = await openFlight(suite, [deviceKeys], frame, flight, psk, FrameKind.onceAnswer).catch(
    refuse('the frame can not be opened')
  )
  return {
    plain: opened.plain,
    enc: copyOf(enc),
    mode: flight.mode,
    keyId: frame.key,
    seal: async answer => (await opened.answer()).seal(answer)
  }
}

function refuse(why: string): (cause: unknown) => never {
  return cause => {
    throw new HandshakeError(why, { cause })
  }
}
