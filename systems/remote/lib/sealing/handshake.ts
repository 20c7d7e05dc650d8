import type { CipherSuite, KeyPair } from 'hpke'
import { ByteReader, concat, prefixed, utf8 } from '../encoding/bytes'
import { encodeFrame, encodeHeader, type Frame, FrameKind, NO_SESSION } from '../wire/frame'
import {
  type KeyMode,
  PlainSession,
  SealedSession,
  type SealingKey,
  type Session,
  type SessionPlace
} from './session'

/** Says what a session is for, and stands in what both ends derive: a frame of another protocol or version opens nothing. */
const PURPOSE = 'token-server remote 2, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM'

const MODES: readonly KeyMode[] = ['shared', 'paired', 'invitation', 'plain']

/** The device can't open it, or the client can't: a wrong key, or somebody between them changed something. */
export class HandshakeError extends Error {
  override readonly name = 'HandshakeError'
}

export interface Accepted {
  readonly session: Session
  /** What the client said with its first flight. */
  readonly first: Uint8Array
  /** Answers it: the accept frame with `reply` sealed in it. */
  accept(reply: Uint8Array): Promise<Uint8Array>
}

/** The device's part, for one client that is connected. Its fresh key is good for any number of tries, and for one session. */
export class DeviceHandshake {
  readonly #suite: CipherSuite
  readonly #device: string
  readonly #client: string
  readonly #keys: KeyPair
  readonly #publicKey: Uint8Array
  #isUsed = false

  private constructor(
    suite: CipherSuite,
    device: string,
    client: string,
    keys: KeyPair,
    publicKey: Uint8Array
  ) {
    this.#suite = suite
    this.#device = device
    this.#client = client
    this.#keys = keys
    this.#publicKey = publicKey
  }

  static async create(suite: CipherSuite, device: string, client: string): Promise<DeviceHandshake> {
    const keys = await suite.GenerateKeyPair()
    return new DeviceHandshake(suite, device, client, keys, await suite.SerializePublicKey(keys.publicKey))
  }

  /** The hello frame. */
  hello(): Uint8Array {
    const { kind, key, session } = { kind: FrameKind.hello, key: '', session: NO_SESSION }
    return encodeFrame({ kind, device: this.#device, client: this.#client, key, session }, this.#publicKey)
  }

  /**
   * @param find the key of that id and mode, or undefined: then, and when nothing fits, the answer is the same
   * @throws HandshakeError
   */
  async open(
    frame: Frame,
    find: (id: string, mode: KeyMode) => SealingKey | undefined | Promise<SealingKey | undefined>
  ): Promise<Accepted> {
    const { device, client, key: keyId, session: id, aad, body } = frame
    if (device !== this.#device || client !== this.#client)
      throw new HandshakeError('the frame is for somebody else')
    const reader = new ByteReader(body)
    const mode = MODES[reader.takeByte() ?? -1]
    const enc = reader.takePrefixed()
    if (mode === undefined || enc === undefined || this.#isUsed)
      throw new HandshakeError('the frame begins nothing')
    const key = await find(keyId, mode)
    if (key === undefined) throw new HandshakeError('nobody has this key')
    const place: SessionPlace = { device, client, key: keyId, session: id }
    if (mode === 'plain')
      return {
        session: new PlainSession(place),
        first: reader.rest(),
        accept: async reply => encodeFrame({ kind: FrameKind.accept, ...place }, reply)
      }
    try {
      const info = infoOf(place, mode)
      const pskId = utf8(keyId)
      const incoming = await this.#suite.SetupRecipient(this.#keys, enc, { info, psk: key.psk, pskId })
      const opened = new ByteReader(
        await incoming.Open(reader.rest(), concat(aad, body.subarray(0, reader.offset)))
      )
      const clientKey = opened.takePrefixed()
      if (clientKey === undefined || this.#isUsed) throw new HandshakeError('the frame begins nothing')
      const publicKey = await this.#suite.DeserializePublicKey(clientKey)
      const psk = await incoming.Export(utf8('back'), 32)
      const { encapsulatedSecret, ctx } = await this.#suite.SetupSender(publicKey, { info, psk, pskId })
      this.#isUsed = true
      return {
        session: new SealedSession(place, mode, ctx, incoming, incoming),
        first: opened.rest(),
        accept: async reply => {
          const header = concat(
            encodeHeader({ kind: FrameKind.accept, ...place }),
            prefixed(encapsulatedSecret)
          )
          return concat(header, await ctx.Seal(reply, header))
        }
      }
    } catch (cause) {
      if (cause instanceof HandshakeError) throw cause
      throw new HandshakeError('the frame can not be opened', { cause })
    }
  }
}

/** The client's part. */
export class ClientHandshake {
  /** The start frame. */
  readonly start: Uint8Array
  readonly place: SessionPlace
  readonly #finish: (accept: Frame) => Promise<{ session: Session; reply: Uint8Array }>

  private constructor(
    start: Uint8Array,
    place: SessionPlace,
    finish: (accept: Frame) => Promise<{ session: Session; reply: Uint8Array }>
  ) {
    this.start = start
    this.place = place
    this.#finish = finish
  }

  /**
   * @param hello the device's hello frame
   * @param first is sealed with the first flight
   * @throws HandshakeError when the hello can't be used
   */
  static async begin(
    suite: CipherSuite,
    hello: Frame,
    key: SealingKey,
    first: Uint8Array,
    sessionId: Uint8Array
  ): Promise<ClientHandshake> {
    const place: SessionPlace = {
      device: hello.device,
      client: hello.client,
      key: key.id,
      session: sessionId
    }
    const header = encodeHeader({ kind: FrameKind.start, ...place })
    const mode = Uint8Array.of(MODES.indexOf(key.mode))
    if (key.mode === 'plain')
      return new ClientHandshake(
        concat(header, mode, prefixed(new Uint8Array()), first),
        place,
        async accept => ({
          session: new PlainSession(place),
          reply: accept.body
        })
      )
    try {
      const keys = await suite.GenerateKeyPair()
      const deviceKey = await suite.DeserializePublicKey(hello.body)
      const info = infoOf(place, key.mode)
      const pskId = utf8(key.id)
      const { encapsulatedSecret, ctx } = await suite.SetupSender(deviceKey, { info, psk: key.psk, pskId })
      const clear = concat(header, mode, prefixed(encapsulatedSecret))
      const publicKey = await suite.SerializePublicKey(keys.publicKey)
      const sealed = await ctx.Seal(concat(prefixed(publicKey), first), clear)
      return new ClientHandshake(concat(clear, sealed), place, async accept => {
        const reader = new ByteReader(accept.body)
        const enc = reader.takePrefixed()
        if (enc === undefined) throw new HandshakeError('the frame accepts nothing')
        const psk = await ctx.Export(utf8('back'), 32)
        const incoming = await suite.SetupRecipient(keys, enc, { info, psk, pskId })
        const reply = await incoming.Open(
          reader.rest(),
          concat(accept.aad, accept.body.subarray(0, reader.offset))
        )
        return { session: new SealedSession(place, key.mode, ctx, incoming, ctx), reply }
      })
    } catch (cause) {
      throw new HandshakeError('the hello can not be used', { cause })
    }
  }

  /**
   * The other side has proven by now that it has the key.
   *
   * @throws HandshakeError when the accept frame is not of this device, or was changed on the way
   */
  async finish(accept: Frame): Promise<{ session: Session; reply: Uint8Array }> {
    try {
      return await this.#finish(accept)
    } catch (cause) {
      throw new HandshakeError('the answer can not be opened', { cause })
    }
  }
}

function infoOf(place: SessionPlace, mode: KeyMode): Uint8Array<ArrayBuffer> {
  const ids = [PURPOSE, mode, place.device, place.client, place.key].map(text => prefixed(utf8(text)))
  return concat(...ids, place.session)
}
