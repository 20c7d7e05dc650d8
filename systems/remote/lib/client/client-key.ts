import { fieldOf } from '../encoding/json'
import { invalid } from '../errors/remote-error'
import { type Scrypt, textKey } from '../sealing/keys'
import type { SealingKey } from '../sealing/session'

/** The key of a client: as it is, or as a text from which each device's follows. */
export class ClientKey {
  readonly #scrypt: Scrypt
  readonly #allowPlain: boolean
  #given: string | SealingKey | undefined
  #derived: { readonly device: string; readonly key: Promise<SealingKey> } | undefined
  #deadId: string | undefined
  #currentId: string | undefined

  constructor(scrypt: Scrypt, allowPlain: boolean) {
    this.#scrypt = scrypt
    this.#allowPlain = allowPlain
  }

  get isSet(): boolean {
    return this.#given !== undefined
  }

  /** @throws RemoteError `invalid` */
  set(key: string | SealingKey): void {
    if (typeof key !== 'string' && !isSealingKey(key)) throw invalid('the key', 'it is no text')
    const isPlain = key === '' || (typeof key !== 'string' && key.mode === 'plain')
    if (isPlain && !this.#allowPlain) throw invalid('an empty key', 'allowPlain is not set')
    this.#given = key
    this.#derived = undefined
    this.#deadId = undefined
    this.#currentId = undefined
  }

  /** Whether the key that is set now counts no more. */
  get isDead(): boolean {
    return this.#deadId !== undefined && this.#deadId === this.#currentId
  }

  /** The device has said, sealed under this key, that it counts no more. */
  markDead(key: SealingKey): void {
    this.#deadId = key.id
  }

  /** For a new connection, whose device may have another mind. */
  revive(): void {
    this.#deadId = undefined
  }

  /** @returns undefined when there is none, or it counts no more */
  async for(device: string): Promise<SealingKey | undefined> {
    const given = this.#given
    if (given === undefined) return undefined
    if (typeof given === 'string' && this.#derived?.device !== device)
      this.#derived = { device, key: textKey(given, device, this.#scrypt) }
    const key = typeof given === 'string' ? await this.#derived?.key : given
    if (given !== this.#given || key === undefined) return await this.for(device)
    this.#currentId = key.id
    return this.isDead ? undefined : key
  }
}

function isSealingKey(key: unknown): key is SealingKey {
  return typeof fieldOf(key, 'id') === 'string' && fieldOf(key, 'psk') instanceof Uint8Array
}
