import { CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core'

/**
 * A client and a device that share no line with lib/: written from docs/sealing.md and docs/frames.md, on another library of HPKE. It runs
 * in browsers, too. What it says of itself, it takes from `terms`, so that it can also be a peer of another version, mode or suite.
 */
export interface Terms {
  /** 2 is the one there is. */
  readonly version: number
  readonly mode: 'shared' | 'paired' | 'invitation'
  readonly aead: ConstructorParameters<typeof CipherSuite>[0]['aead']
  readonly aeadName: string
}

export interface Place {
  readonly device: string
  readonly client: string
  readonly key: string
  /** 8 bytes. */
  readonly session: Uint8Array
}

export interface ForeignSession {
  seal(plain: Uint8Array): Promise<Uint8Array>
  open(frame: Uint8Array): Promise<Uint8Array>
  export(label: string, length: number): Promise<Uint8Array>
}

const KIND = { hello: 2, start: 3, accept: 4, sealed: 5, onceRequest: 8, onceAnswer: 9 } as const
const MODES = { shared: 0, paired: 1, invitation: 2 } as const

export class ForeignPeer {
  readonly #terms: Terms
  readonly #suite: CipherSuite

  constructor(terms: Terms) {
    this.#terms = terms
    this.#suite = new CipherSuite({
      kem: new DhkemX25519HkdfSha256(),
      kdf: new HkdfSha256(),
      aead: terms.aead
    })
  }

  generateKeyPair(): Promise<CryptoKeyPair> {
    return this.#suite.kem.generateKeyPair()
  }

  async publicBytes(keys: CryptoKeyPair): Promise<Uint8Array> {
    return new Uint8Array(await this.#suite.kem.serializePublicKey(keys.publicKey))
  }

  /** Where the body of a frame begins, which a header has the ids of `place`. */
  headerLength({ device, client, key }: Place): number {
    return 2 + 3 + device.length + client.length + key.length + 8
  }

  async start(place: Place, psk: Uint8Array, publicKeys: readonly Uint8Array[], first: Uint8Array) {
    return await this.#send(KIND.start, place, psk, publicKeys, first, context =>
      this.#session(place, context.forth, context.back)
    )
  }

  async once(place: Place, psk: Uint8Array, publicKey: Uint8Array, plain: Uint8Array) {
    return await this.#send(KIND.onceRequest, place, psk, [publicKey], plain, () => undefined)
  }

  async hello(place: Place, fresh: CryptoKeyPair): Promise<Uint8Array> {
    const nothing = { ...place, key: '', session: new Uint8Array(8) }
    return join(this.#header(KIND.hello, nothing), await this.publicBytes(fresh))
  }

  /** The device's answer to a start frame of `place`. */
  accept(
    place: Place,
    psk: Uint8Array,
    keys: readonly CryptoKeyPair[],
    start: Uint8Array,
    reply: Uint8Array
  ) {
    return this.#answer([KIND.start, KIND.accept], place, psk, keys, start, reply)
  }

  /** The device's answer to a onceRequest frame of `place`. */
  async answerOnce(
    place: Place,
    psk: Uint8Array,
    keys: CryptoKeyPair,
    request: Uint8Array,
    reply: Uint8Array
  ) {
    const kinds = [KIND.onceRequest, KIND.onceAnswer] as const
    return (await this.#answer(kinds, place, psk, [keys], request, reply)).frame
  }

  async #answer(
    [kind, answerKind]: readonly [number, number],
    place: Place,
    psk: Uint8Array,
    keys: readonly CryptoKeyPair[],
    start: Uint8Array,
    reply: Uint8Array
  ) {
    const begin = this.headerLength(place) + 1
    const clear = start.slice(0, begin + keys.length * 34)
    const info = this.#info(kind, place)
    let secret = psk
    let forth: Recipient | undefined
    for (const [index, recipientKey] of keys.entries()) {
      if (forth !== undefined) secret = new Uint8Array(await forth.export(buffer(text('next')), 32))
      const enc = buffer(clear.slice(begin + index * 34 + 2, begin + (index + 1) * 34))
      forth = await this.#suite.createRecipientContext({
        recipientKey,
        enc,
        info,
        psk: this.#psk(place, secret)
      })
    }
    if (forth === undefined) throw new Error('no key')
    const context = forth
    const opened = new Uint8Array(await context.open(buffer(start.slice(clear.length)), buffer(clear)))
    const recipientPublicKey = await this.#suite.kem.deserializePublicKey(buffer(opened.slice(2, 34)))
    const back = await this.#suite.createSenderContext({
      recipientPublicKey,
      info,
      psk: this.#psk(place, new Uint8Array(await context.export(buffer(text('back')), 32)))
    })
    const header = join(this.#header(answerKind, place), prefixed(new Uint8Array(back.enc)))
    return {
      first: opened.slice(34),
      frame: join(header, new Uint8Array(await back.seal(buffer(reply), buffer(header)))),
      session: this.#session(place, context, context, back)
    }
  }

  async #send<Result>(
    kind: number,
    place: Place,
    psk: Uint8Array,
    publicKeys: readonly Uint8Array[],
    plain: Uint8Array,
    resultOf: (contexts: { forth: Sender; back: Recipient }) => Result
  ) {
    const own = await this.generateKeyPair()
    const info = this.#info(kind, place)
    const encs: Uint8Array[] = []
    let secret = psk
    let forth: Sender | undefined
    for (const publicKey of publicKeys) {
      if (forth !== undefined) secret = new Uint8Array(await forth.export(buffer(text('next')), 32))
      forth = await this.#suite.createSenderContext({
        recipientPublicKey: await this.#suite.kem.deserializePublicKey(buffer(publicKey)),
        info,
        psk: this.#psk(place, secret)
      })
      encs.push(prefixed(new Uint8Array(forth.enc)))
    }
    if (forth === undefined) throw new Error('no key')
    const context = forth
    const clear = join(this.#header(kind, place), Uint8Array.of(MODES[this.#terms.mode]), ...encs)
    const sealed = await context.seal(
      buffer(join(prefixed(await this.publicBytes(own)), plain)),
      buffer(clear)
    )
    return {
      frame: join(clear, new Uint8Array(sealed)),
      /** Opens the accept, or the onceAnswer. */
      finish: async (answer: Uint8Array) => {
        const header = answer.slice(0, this.headerLength(place) + 34)
        const back = await this.#suite.createRecipientContext({
          recipientKey: own,
          enc: buffer(header.slice(-32)),
          info,
          psk: this.#psk(place, new Uint8Array(await context.export(buffer(text('back')), 32)))
        })
        const reply = new Uint8Array(await back.open(buffer(answer.slice(header.length)), buffer(header)))
        return { reply, session: resultOf({ forth: context, back }) }
      }
    }
  }

  #session(place: Place, forth: Sender, incoming: Recipient): ForeignSession
  #session(place: Place, forth: Recipient, incoming: Recipient, out: Sender): ForeignSession
  #session(place: Place, forth: Sender | Recipient, incoming: Recipient, out?: Sender): ForeignSession {
    const aad = this.#header(KIND.sealed, place)
    const sender = out ?? (forth as Sender)
    return {
      seal: async plain => join(aad, new Uint8Array(await sender.seal(buffer(plain), buffer(aad)))),
      open: async frame => new Uint8Array(await incoming.open(buffer(frame.slice(aad.length)), buffer(aad))),
      export: async (label, length) => new Uint8Array(await forth.export(buffer(text(label)), length))
    }
  }

  #header(kind: number, { device, client, key, session }: Place): Uint8Array {
    const ids = [device, client, key].map(id => join(Uint8Array.of(id.length), text(id)))
    return join(Uint8Array.of(this.#terms.version, kind), ...ids, session)
  }

  #info(kind: number, { device, client, key, session }: Place): ArrayBuffer {
    const { version, mode, aeadName } = this.#terms
    const words = [
      `token-server remote ${version}`,
      'DHKEM(X25519, HKDF-SHA256)',
      'HKDF-SHA256',
      aeadName,
      mode,
      device,
      client,
      key
    ]
    return buffer(join(...words.map(word => prefixed(text(word))), Uint8Array.of(kind), session))
  }

  #psk({ key }: Place, psk: Uint8Array): { id: ArrayBuffer; key: ArrayBuffer } {
    return { id: buffer(text(key)), key: buffer(psk) }
  }
}

type Sender = Awaited<ReturnType<CipherSuite['createSenderContext']>>
type Recipient = Awaited<ReturnType<CipherSuite['createRecipientContext']>>

function text(words: string): Uint8Array {
  return new TextEncoder().encode(words)
}

function prefixed(bytes: Uint8Array): Uint8Array {
  return join(Uint8Array.of(bytes.length >> 8, bytes.length & 255), bytes)
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap(part => [...part]))
}

/** @hpke/core takes whole buffers. */
function buffer(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer
}
