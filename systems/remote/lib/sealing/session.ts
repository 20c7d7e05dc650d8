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
  /**
   * Calls must not overlap: wait for one before the next.
   *
   * @returns a whole frame
   * @throws when the limit of the cipher is reached; the session is of no use then
   */
  seal(plain: Uint8Array): Promise<Uint8Array>
  /** @throws when the frame is not the next one of the other side; the next one can still be opened */
  open(frame: Frame): Promise<Uint8Array>
  /** Bytes that both ends of this session, and nobody else, can have. Not in `plain`. */
  export(label: string, length: number): Promise<Uint8Array>
}

/** Two contexts of RFC 9180, one for each direction. */
export class SealedSession implements Session {
  readonly place: SessionPlace
  readonly mode: KeyMode
  readonly #out: SenderContext
  readonly #in: RecipientContext
  /** The context of the way from the client to the device, which both ends have: its exporter is the session's. */
  readonly #forth: SenderContext | RecipientContext
  readonly #aad: Uint8Array<ArrayBuffer>

  constructor(
    place: SessionPlace,
    mode: KeyMode,
    out: SenderContext,
    incoming: RecipientContext,
    forth: SenderContext | RecipientContext
  ) {
    this.place = place
    this.mode = mode
    this.#out = out
    this.#in = incoming
    this.#forth = forth
    this.#aad = encodeHeader({ kind: FrameKind.sealed, ...place })
  }

  async seal(plain: Uint8Array): Promise<Uint8Array> {
    return concat(this.#aad, await this.#out.Seal(plain, this.#aad))
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
