import type { CipherSuite, Key, KeyPair } from 'hpke'
import { concat, copyOf } from '../encoding/bytes'
import { randomBytes } from '../encoding/random-id'
import { encodeFrame, encodeHeader, type Frame, FrameKind, NO_SESSION } from '../wire/frame'
import { HandshakeError, MODES, openFlight, readFlight, type SealedFlight, sealFlight } from './flight'
import { deviceIdOf } from './keys'
import {
  type KeyMode,
  PlainSession,
  SealedSession,
  type SealingKey,
  type Session,
  type SessionPlace
} from './session'

export { HandshakeError } from './flight'

/** The key of that id and mode that the device knows, or undefined. */
export type FindKey = (id: string, mode: KeyMode) => SealingKey | undefined | Promise<SealingKey | undefined>

const PSK_LENGTH = 32

export interface Accepted {
  readonly session: Session
  /** What the client said with its first flight. */
  readonly first: Uint8Array
  /** Answers it: the accept frame with `reply` sealed in it. Once, before anything else is sealed. */
  accept(reply: Uint8Array): Promise<Uint8Array>
}

/** The device's part, for one client that is connected. Its fresh key is good for any number of tries, and for one session. */
export class DeviceHandshake {
  readonly #suite: CipherSuite
  readonly #device: string
  readonly #client: string
  readonly #keys: readonly [device: KeyPair<Key>, fresh: KeyPair<Key>]
  readonly #publicKey: Uint8Array
  #isUsed = false

  private constructor(
    suite: CipherSuite,
    device: string,
    client: string,
    keys: readonly [KeyPair<Key>, KeyPair<Key>],
    publicKey: Uint8Array
  ) {
    this.#suite = suite
    this.#device = device
    this.#client = client
    this.#keys = keys
    this.#publicKey = publicKey
  }

  /** @param deviceKeys the device's static keys; `device` is what {@link deviceIdOf} says of them */
  static async create(
    suite: CipherSuite,
    deviceKeys: KeyPair<Key>,
    device: string,
    client: string
  ): Promise<DeviceHandshake> {
    const fresh = await suite.GenerateKeyPair()
    const publicKey = await suite.SerializePublicKey(fresh.publicKey)
    return new DeviceHandshake(suite, device, client, [deviceKeys, fresh], publicKey)
  }

  /** The hello frame. */
  hello(): Uint8Array {
    const { kind, key, session } = { kind: FrameKind.hello, key: '', session: NO_SESSION }
    return encodeFrame({ kind, device: this.#device, client: this.#client, key, session }, this.#publicKey)
  }

  /**
   * @param find says undefined for a key that nobody has: the answer to that, and to all else that can't be opened, is the same
   * @throws HandshakeError
   */
  async open(frame: Frame, find: FindKey): Promise<Accepted> {
    const { device, client, key: keyId } = frame
    if (frame.kind !== FrameKind.start || device !== this.#device || client !== this.#client)
      throw new HandshakeError('the frame is for somebody else')
    const flight = readFlight(frame, this.#keys.length)
    if (flight === undefined || this.#isUsed) throw new HandshakeError('the frame begins nothing')
    const { psk } = await keyFor(flight.mode, keyId, find)
    const place: SessionPlace = { device, client, key: keyId, session: copyOf(frame.session) }
    if (flight.mode === 'plain')
      return {
        session: new PlainSession(place),
        first: flight.sealed,
        accept: async reply => encodeFrame({ kind: FrameKind.accept, ...place }, reply)
      }
    try {
      const header = { kind: frame.kind, ...place }
      const opened = await openFlight(this.#suite, this.#keys, header, flight, psk, FrameKind.accept)
      // Two that were opened at once: the second may be the first, repeated by somebody on the way.
      if (this.#isUsed) throw new HandshakeError('the frame begins nothing')
      this.#isUsed = true
      const { context, seal } = await opened.answer()
      const session = new SealedSession(place, flight.mode, context, opened.forth, opened.forth)
      return { session, first: opened.plain, accept: seal }
    } catch (cause) {
      if (cause instanceof HandshakeError) throw cause
      throw new HandshakeError('the frame can not be opened', { cause })
    }
  }
}

/**
 * Where nobody has such a key, a random one, which opens nothing: it takes as long as a wrong one, so that nobody learns which ids there are.
 *
 * @throws HandshakeError when there is nothing to open
 */
export async function keyFor(
  mode: KeyMode,
  id: string,
  find: FindKey
): Promise<{ readonly psk: Uint8Array }> {
  const key = await find(id, mode)
  if (key?.mode === mode) return key
  if (mode === 'plain') throw new HandshakeError('nobody has this key')
  return { psk: randomBytes(PSK_LENGTH) }
}

/** The client's part. */
export class ClientHandshake {
  /** The start frame. */
  readonly start: Uint8Array
  readonly place: SessionPlace
  readonly #mode: KeyMode
  readonly #flight: SealedFlight | undefined
  #isFinished = false

  private constructor(
    start: Uint8Array,
    place: SessionPlace,
    mode: KeyMode,
    flight: SealedFlight | undefined
  ) {
    this.start = start
    this.place = place
    this.#mode = mode
    this.#flight = flight
  }

  /**
   * @param hello the device's hello frame
   * @param devicePublicKey the static key of the device: of the QR code, or, where there was none, as the other side says it
   * @param first is sealed with the first flight
   * @param sessionId 8 bytes by chance
   * @throws HandshakeError when the hello can't be used, or is of a device with another static key
   */
  static async begin(
    suite: CipherSuite,
    hello: Frame,
    devicePublicKey: Uint8Array,
    key: SealingKey,
    first: Uint8Array,
    sessionId: Uint8Array
  ): Promise<ClientHandshake> {
    const { device, client } = hello
    if (hello.kind !== FrameKind.hello || hello.key !== '' || hello.session.some(byte => byte !== 0))
      throw new HandshakeError('the frame is no hello')
    const place: SessionPlace = { device, client, key: key.id, session: copyOf(sessionId) }
    const header = { kind: FrameKind.start, ...place }
    if (key.mode === 'plain') {
      const start = concat(encodeHeader(header), Uint8Array.of(MODES.indexOf('plain')), first)
      return new ClientHandshake(start, place, key.mode, undefined)
    }
    if (device !== (await deviceIdOf(devicePublicKey)))
      throw new HandshakeError('the hello is of another device')
    try {
      const flight = await sealFlight(suite, [devicePublicKey, hello.body], header, key, first)
      return new ClientHandshake(flight.frame, place, key.mode, flight)
    } catch (cause) {
      throw new HandshakeError('the hello can not be used', { cause })
    }
  }

  /**
   * The other side has proven by now that it has the key, and, unless `plain`, that it is the device. A frame that is refused leaves
   * the handshake open for the right one.
   *
   * @throws HandshakeError when the accept frame is not of this device, or was changed on the way
   */
  async finish(accept: Frame): Promise<{ session: Session; reply: Uint8Array }> {
    if (accept.kind !== FrameKind.accept || this.#isFinished)
      throw new HandshakeError('the frame accepts nothing')
    if (this.#flight === undefined) {
      this.#isFinished = true
      return { session: new PlainSession(this.place), reply: accept.body }
    }
    try {
      const { context, plain } = await this.#flight.back(accept)
      if (this.#isFinished) throw new HandshakeError('the frame accepts nothing')
      this.#isFinished = true
      const { forth } = this.#flight
      return { session: new SealedSession(this.place, this.#mode, forth, context, forth), reply: plain }
    } catch (cause) {
      if (cause instanceof HandshakeError) throw cause
      throw new HandshakeError('the answer can not be opened', { cause })
    }
  }
}
