import type { RecipientContext, SenderContext } from 'hpke'
import { concat, utf8 } from '../encoding/bytes'
import { encodeHeader, type Frame, FrameKind, type Header } from '../wire/frame'

/** How a key came to a client. It is part of what both ends must agree on, so that nobody can pass one off as another. */
export type KeyMode =
  /** Whoever has the QR code, or knows the words, is in. */
  | 'shared'
  /** One phone's own. */
  | 'paired'
  /** Good for one pairing. */
  | 'invitation'
  /** The empty key: nothing is sealed. */
  | 'plain'

/** A key as a client holds it. */
export interface SealingKey {
  /** Public: stands in clear in each frame. */
  readonly id: string
  readonly mode: KeyMode
  /** 32 bytes; of `plain` empty. */
  readonly psk: Uint8Array
}

/** Where a session is: between whom, and under which key. */
export type SessionPlace = Omit<Header, 'kind'>

/** Both directions of a handshake that ended well. Each of them is strict in its order: no frame can be left out, repeated or moved. */
export interface Session {
  readonly place: SessionPlace
  readonly mode: KeyMode
  /** So much was sealed under one key that it is time for a new handshake; the other half of what the key bears is left for it. */
  readonly isWorn: boolean
  /**
   * Calls may overlap: frames and promises come in the order of the calls, which is that in which they are to be sent.
   *
   * @returns a whole frame
   * @throws SessionWornError
   */
  seal(plain: Uint8Array): Promise<Uint8Array>
  /**
   * Calls may overlap: they are done in their order.
   *
   * @throws when the frame is not the next one of the other side; the next one can still be opened
   */
  open(frame: Frame): Promise<Uint8Array>
  /** Bytes that both ends of this session, and nobody else, can have. Not in `plain`. */
  export(label: string, length: number): Promise<Uint8Array>
}

/** No more can be sealed under this key: only a new handshake helps. */
export class SessionWornError extends Error {
  override readonly name = 'SessionWornError'
}

/**
 * Bytes that one key of AES-GCM seals: 2^32 blocks, far below where an observer could tell them from chance (2^-65, by the bound of
 * draft-irtf-cfrg-aead-limits). The count of messages is limited by hpke.
 */
const MAX_SEALED_BYTES = 2 ** 36
/** Of a frame beside its text: its tag, and a block that is not full. */
const FRAME_COST = 32

/** Two contexts of RFC 9180, one for each direction. */
export class SealedSession implements Session {
  readonly place: SessionPlace
  readonly mode: KeyMode
  readonly #out: SenderContext
  readonly #in: RecipientContext
  /** The context of the way from the client to the device, which both ends have: its exporter is the session's. */
  readonly #forth: SenderContext | RecipientContext
  readonly #aad: Uint8Array<ArrayBuffer>
  readonly #maxBytes: number
  #sealedBytes = 0

  constructor(
    place: SessionPlace,
    mode: KeyMode,
    out: SenderContext,
    incoming: RecipientContext,
    forth: SenderContext | RecipientContext,
    maxBytes = MAX_SEALED_BYTES
  ) {
    this.#maxBytes = maxBytes
    this.place = place
    this.mode = mode
    this.#out = out
    this.#in = incoming
    this.#forth = forth
    this.#aad = encodeHeader({ kind: FrameKind.sealed, ...place })
  }

  get isWorn(): boolean {
    return this.#sealedBytes > this.#maxBytes / 2
  }

  async seal(plain: Uint8Array): Promise<Uint8Array> {
    this.#sealedBytes += plain.length + FRAME_COST
    if (this.#sealedBytes > this.#maxBytes) throw new SessionWornError('the key of this session is used up')
    try {
      return concat(this.#aad, await this.#out.Seal(plain, this.#aad))
    } catch (cause) {
      // hpke would seal the next message with the nonce of this one.
      this.#sealedBytes = Infinity
      throw new SessionWornError('the key of this session is used up', { cause })
    }
  }

  open(frame: Frame): Promise<Uint8Array> {
    return this.#in.Open(frame.body, frame.aad)
  }

  export(label: string, length: number): Promise<Uint8Array> {
    return this.#forth.Export(utf8(label), length)
  }
}

/** What the empty key makes: nothing is sealed, and everybody on the way can read and change it. */
export class PlainSession implements Session {
  readonly place: SessionPlace
  readonly mode = 'plain'
  readonly isWorn = false
  readonly #aad: Uint8Array

  constructor(place: SessionPlace) {
    this.place = place
    this.#aad = encodeHeader({ kind: FrameKind.sealed, ...place })
  }

  seal(plain: Uint8Array): Promise<Uint8Array> {
    return Promise.resolve(concat(this.#aad, plain))
  }

  open({ body }: Frame): Promise<Uint8Array> {
    return Promise.resolve(body)
  }

  export(): Promise<Uint8Array> {
    return Promise.reject(new Error('a session without a key has nothing to export'))
  }
}
