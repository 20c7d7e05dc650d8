import { fromBase64url, toBase64url } from '../encoding/base64url'
import { fieldOf } from '../encoding/json'
import { randomBytes } from '../encoding/random-id'
import { RemoteError } from '../errors/remote-error'
import type { KeyRing } from '../keys/key-ring'
import { cleanName, type Phone } from '../keys/phone'
import { Rates } from '../quotas/rates'
import { HandshakeError } from '../sealing/flight'
import { finishPairing, type PairedKey } from '../sealing/pairing-exchange'
import type { ShortCodeLanguage } from '../sealing/short-code'
import type { CipherSuite } from '../sealing/suite'
import type { DeviceSession } from './command'
import type { DeviceHub } from './device-hub'

/**
 * Asks the owner about a phone that wants in, with the words to compare (`phone.words`).
 *
 * @param signal aborted when there is nothing to decide any more
 */
export type Approve = (phone: Phone, signal: AbortSignal) => boolean | Promise<boolean>

export interface DevicePairingOptions {
  readonly suite: CipherSuite
  readonly ring: KeyRing
  /** Of the words to compare, at both ends. Default `en`. */
  readonly language?: ShortCodeLanguage | undefined
  /** Default: somebody calls {@link KeyRing.approve}, or the owner's command does. */
  readonly approve?: Approve | undefined
}

/** So long a phone that was turned away can ask why, milliseconds. */
const DENIAL_TIME = 5000

/** Steps of pairing a second, by one invitation; ten times as many at once. */
const STEPS_PER_SECOND = 5

/** Steps of all invitations that are under way. */
const MAX_STEPS = 32

/** The device's part of pairing: what a phone asks that has an invitation, and what it asks while it waits for the owner. */
export class DevicePairing {
  readonly #suite: CipherSuite
  readonly #ring: KeyRing
  readonly #language: ShortCodeLanguage
  readonly #approve: Approve | undefined
  readonly #questions = new Map<string, AbortController>()
  /** Phones to which the owner has said no, until they have heard it. */
  readonly #denied = new Set<string>()
  /** Who waits for a word about a phone: each of its sessions once. */
  readonly #waiting = new Map<string, Map<DeviceSession, Waiting>>()
  readonly #rates = new Rates(STEPS_PER_SECOND)
  #steps = 0
  readonly #asked = (phone: Phone) => void this.#ask(phone)
  readonly #changed = () => this.#look()

  constructor({ suite, ring, language = 'en', approve }: DevicePairingOptions) {
    this.#suite = suite
    this.#ring = ring
    this.#language = language
    this.#approve = approve
    ring.on('asked', this.#asked)
    ring.on('change', this.#changed)
    for (const phone of ring.phones()) if (phone.state === 'waiting') this.#asked(phone)
  }

  /** Lets the clients of a device ask. */
  serve(hub: DeviceHub): void {
    hub.onAsk('pair', (payload, session) => this.pair(session, payload))
    hub.onAsk('approval', (_, session) => this.approval(session))
  }

  /**
   * `pair`, asked under an invitation; docs/pairing.md has the two steps.
   *
   * @param session under the key of the invitation
   * @throws (rejects) RemoteError `refused` with the reason `used`, `no-invitation`, `too-fast` or `busy`, or `invalid`
   */
  async pair(session: DeviceSession, payload: unknown): Promise<unknown> {
    const step = fieldOf(payload, 'step')
    if (step !== 'claim' && step !== 'finish') throw malformed()
    if (this.#steps >= MAX_STEPS) throw refused('busy', `${MAX_STEPS} steps of pairing are under way`)
    if (!this.#rates.take(session.keyId))
      throw refused('too-fast', `more than ${STEPS_PER_SECOND} steps a second come with this invitation`)
    this.#steps++
    try {
      return await (step === 'claim' ? this.#claim(session, payload) : this.#finish(session.keyId, payload))
    } finally {
      this.#steps--
    }
  }

  /**
   * `approval`, asked by a phone under its own key. Resolves when the owner has said yes.
   *
   * @throws (rejects) RemoteError `refused` with the reason `not-approved`, once the phone is revoked
   */
  approval(session: DeviceSession): Promise<unknown> {
    if (session.session === undefined)
      return Promise.reject(refused('not-allowed', 'only who keeps a connection can wait for the owner'))
    const { keyId } = session
    const waiting = this.#waiting.get(keyId) ?? new Map<DeviceSession, Waiting>()
    this.#waiting.set(keyId, waiting)
    const known = waiting.get(session)
    if (known !== undefined) return known.promise
    for (const each of waiting.keys()) if (each.isEnded) waiting.delete(each)
    const own = new Waiting()
    waiting.set(session, own)
    this.#look()
    return own.promise
  }

  close(): void {
    this.#ring.off('asked', this.#asked)
    this.#ring.off('change', this.#changed)
    for (const question of this.#questions.values()) question.abort()
    this.#questions.clear()
    const goingAway = refused('shutting-down', 'the device is going away')
    for (const waiting of this.#waiting.values()) for (const { reject } of waiting.values()) reject(goingAway)
    this.#waiting.clear()
    for (const id of this.#denied) this.#forgetDenied(id)
  }

  async #claim(session: DeviceSession, payload: unknown): Promise<unknown> {
    const [enc, commit] = [bytesOf(payload, 'enc'), bytesOf(payload, 'commit')]
    const said = {
      enc: toBase64url(enc),
      commit: toBase64url(commit),
      nonce: toBase64url(randomBytes(32)),
      name: cleanName(fieldOf(payload, 'name'))
    }
    const claim = await this.#ring.claim(session.keyId, said, () => !session.isEnded)
    if (claim === 'used') throw refused('used', 'another phone has come with this invitation')
    if (claim === 'unknown-key') throw refused('no-invitation', 'there is no such invitation any more')
    return { number: claim.nonce }
  }

  async #finish(invitationId: string, payload: unknown): Promise<unknown> {
    const [enc, commit] = [bytesOf(payload, 'enc'), bytesOf(payload, 'commit')]
    const number = bytesOf(payload, 'number')
    const ring = this.#ring
    const invitation = ring.find(invitationId, 'invitation')
    const claim = ring.claimOf(invitationId)
    if (invitation === undefined || claim === undefined)
      throw refused('no-invitation', 'there is no such invitation any more')
    if (claim.enc !== toBase64url(enc) || claim.commit !== toBase64url(commit))
      throw refused('used', 'another phone has come with this invitation')
    const own = fromBase64url(claim.nonce) ?? new Uint8Array()
    const { deviceKeys, deviceId } = ring
    let paired: PairedKey
    try {
      paired = await finishPairing(
        this.#suite,
        deviceKeys,
        deviceId,
        invitation,
        { enc, commit },
        own,
        number
      )
    } catch (error) {
      if (error instanceof HandshakeError) throw malformed()
      throw error
    }
    const { id, psk } = paired.key
    const phone = await ring.admit(invitationId, claim.enc, { id, psk, words: paired.words(this.#language) })
    if (phone === undefined) throw refused('no-invitation', 'there is no such invitation any more')
    return { id: phone.id, waits: phone.state === 'waiting', language: this.#language, ...termsOf(phone) }
  }

  async #ask(phone: Phone): Promise<void> {
    const approve = this.#approve
    if (approve === undefined || this.#questions.has(phone.id)) return
    const question = new AbortController()
    this.#questions.set(phone.id, question)
    try {
      const isWelcome = await approve(phone, question.signal)
      if (question.signal.aborted) return
      if (isWelcome) await this.#ring.approve(phone.id)
      else this.#deny(phone.id)
    } catch (error) {
      // It stays a phone that waits: the owner can still say yes by a command.
      if (!question.signal.aborted) this.#ring.emit('failed', error as Error)
    } finally {
      this.#questions.delete(phone.id)
    }
  }

  /** The phone is to hear that it was the owner who said no, and not only that its key opens nothing. */
  #deny(id: string): void {
    this.#denied.add(id)
    setTimeout(() => this.#forgetDenied(id), DENIAL_TIME).unref()
    this.#look()
  }

  #forgetDenied(id: string): void {
    if (!this.#denied.delete(id)) return
    this.#ring.revoke(id).catch((error: Error) => this.#ring.emit('failed', error))
  }

  /** Who waits for a word about a phone hears what has become of it. */
  #look(): void {
    const phones = new Map(this.#ring.phones().map(phone => [phone.id, phone]))
    for (const [id, question] of this.#questions) if (phones.get(id)?.state !== 'waiting') question.abort()
    for (const [id, waiting] of this.#waiting) {
      const phone = phones.get(id)
      if (phone?.state === 'waiting' && !this.#denied.has(id)) continue
      this.#waiting.delete(id)
      // In a later turn, so that the answer goes out before the session ends.
      setImmediate(() => this.#forgetDenied(id))
      for (const each of waiting.values())
        if (phone?.state === 'approved') each.resolve(termsOf(phone))
        else each.reject(refused('not-approved', 'the owner of the device has not said yes'))
    }
  }
}

/** A word of the owner that is to come. */
class Waiting {
  resolve: (terms: unknown) => void = () => undefined
  reject: (error: RemoteError) => void = () => undefined
  readonly promise = new Promise<unknown>((resolve, reject) => {
    this.resolve = resolve
    this.reject = reject
  })

  constructor() {
    // Nobody may be left who wants to know.
    this.promise.catch(() => undefined)
  }
}

function termsOf({ name, events, until }: Phone) {
  return { name, events, until }
}

/** 32 bytes. */
function bytesOf(payload: unknown, name: string): Uint8Array {
  const text = fieldOf(payload, name)
  const bytes = typeof text === 'string' && text.length === 43 ? fromBase64url(text) : undefined
  if (bytes?.length !== 32) throw malformed()
  return bytes
}

function malformed(): RemoteError {
  return new RemoteError('invalid', 'Cannot pair: because what the phone says is no step of a pairing')
}

function refused(reason: string, why: string): RemoteError {
  return new RemoteError('refused', `Cannot pair: because ${why}`, { reason })
}
