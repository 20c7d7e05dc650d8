import { fromBase64url, toBase64url } from '../encoding/base64url'
import { fieldOf } from '../encoding/json'
import { invalid, RemoteError } from '../errors/remote-error'
import { type Checks, checkOptions, isFunction, isSignal, isTime } from '../options/check-options'
import { HandshakeError } from '../sealing/flight'
import { deviceIdOf } from '../sealing/keys'
import { type PairedKey, PhonePairing } from '../sealing/pairing-exchange'
import type { SealingKey } from '../sealing/session'
import { SHORT_CODE_WORDS } from '../sealing/short-code-words'
import type { CipherSuite } from '../sealing/suite'
import { dialUrlOf, type InvitationText, parseInvitation } from '../wire/invitation'
import type { PhoneKey } from './phone-key'
import { invitationKey } from './target'

/** What pairing needs of a client that is connected under the invitation. */
export interface PairingClient {
  readonly suite: CipherSuite
  ask(what: string, payload?: unknown, options?: { timeout?: number; signal?: AbortSignal }): Promise<unknown>
  setEncryption(key: SealingKey): void
}

export interface PairOptions {
  /** Called with the four words, once: the owner of the device compares them with those on the device before saying yes. */
  readonly onWords?: (words: string) => void
  /**
   * Called with what is to be stored, before the owner has said yes: a phone that is put away meanwhile goes on with it, and asks
   * whether it is approved.
   */
  readonly onKey?: (key: PhoneKey) => void
  /** Milliseconds to wait for the owner. Default 10 minutes. */
  readonly approvalTimeout?: number
  readonly signal?: AbortSignal
}

const PAIR_CHECKS: Checks<PairOptions> = {
  onWords: isFunction,
  onKey: isFunction,
  approvalTimeout: isTime,
  signal: isSignal
}

const APPROVAL_TIMEOUT = 600_000

/** One phone's pairing with one invitation. What was lost on the way can be said again: {@link run} goes on where it was. */
export class Pairing {
  readonly text: string
  readonly invitation: InvitationText
  #exchange: PhonePairing | undefined
  /** The phone's own, once the device has it, too. */
  #paired: SealingKey | undefined

  private constructor(text: string, invitation: InvitationText) {
    this.text = text
    this.invitation = invitation
  }

  /** @throws (rejects) RemoteError `invalid` */
  static async of(text: string): Promise<Pairing> {
    const invitation = parseInvitation(text)
    if (invitation === undefined) throw invalid('the invitation', 'it is none')
    if (invitation.mode !== 'paired')
      throw invalid('the invitation', 'it is of a shared key: connect with it as it is')
    if ((await deviceIdOf(invitation.publicKey)) !== invitation.device)
      throw invalid('the invitation', 'its device has another key')
    return new Pairing(text, invitation)
  }

  /** To connect to: the device is named in it. */
  get url(): string {
    return dialUrlOf(this.invitation)
  }

  /** Under which the client connects: the invitation's, until the device has the phone's own. */
  get key(): SealingKey {
    return this.#paired ?? invitationKey(this.invitation)
  }

  /**
   * Through a client that is connected to {@link url} under {@link key}; it has the phone's own key afterwards.
   *
   * @returns what is to be stored
   * @throws (rejects) RemoteError: `refused` with the reason `used`, `no-invitation` or `not-approved`; `bad-key` when somebody is
   * between the phone and the device
   */
  async run(client: PairingClient, name: string, options: PairOptions = {}): Promise<PhoneKey> {
    checkOptions(options, PAIR_CHECKS)
    const { onWords, onKey, approvalTimeout = APPROVAL_TIMEOUT, signal } = options
    const waiting = signal === undefined ? {} : { signal }
    if (this.#paired === undefined) {
      const { paired, terms } = await this.#exchangeWith(client, name, waiting)
      this.#paired = paired.key
      if (fieldOf(terms, 'waits') === true) onWords?.(wordsOf(paired, fieldOf(terms, 'language')))
      onKey?.(this.#record(paired.key, terms))
      client.setEncryption(paired.key)
    }
    const terms = await client
      .ask('approval', null, { ...waiting, timeout: approvalTimeout })
      .catch((error: RemoteError) => {
        // It was the owner's word that was waited for: the device drops the key of a phone that is turned away.
        throw error.reason === 'revoked' ? turnedAway(error) : error
      })
    return this.#record(this.#paired, terms)
  }

  async #exchangeWith(client: PairingClient, name: string, waiting: { signal?: AbortSignal }) {
    const { device, publicKey } = this.invitation
    this.#exchange ??= await PhonePairing.begin(
      client.suite,
      publicKey,
      device,
      invitationKey(this.invitation)
    )
    const { enc, commit, number } = this.#exchange
    const start = { enc: toBase64url(enc), commit: toBase64url(commit) }
    const claimed = await client.ask('pair', { step: 'claim', ...start, name }, waiting)
    const paired = await this.#finish(this.#exchange, fieldOf(claimed, 'number'))
    const terms = await client.ask('pair', { step: 'finish', ...start, number: toBase64url(number) }, waiting)
    if (fieldOf(terms, 'id') !== paired.key.id) throw somebodyBetween()
    return { paired, terms }
  }

  async #finish(exchange: PhonePairing, number: unknown): Promise<PairedKey> {
    const bytes = typeof number === 'string' ? fromBase64url(number) : undefined
    try {
      return await exchange.finish(bytes ?? new Uint8Array())
    } catch (error) {
      if (error instanceof HandshakeError) throw somebodyBetween()
      throw error
    }
  }

  #record({ id, psk }: SealingKey, terms: unknown): PhoneKey {
    const [name, events, until] = ['name', 'events', 'until'].map(field => fieldOf(terms, field))
    const { device, publicKey } = this.invitation
    return {
      version: 2,
      url: this.url,
      device,
      publicKey: toBase64url(publicKey),
      id,
      psk: toBase64url(psk),
      name: typeof name === 'string' ? name : '',
      ...(Array.isArray(events) && { events: events.filter(event => typeof event === 'string') }),
      ...(typeof until === 'number' && { until })
    }
  }
}

function wordsOf(paired: PairedKey, language: unknown): string {
  const isKnown = typeof language === 'string' && Object.hasOwn(SHORT_CODE_WORDS, language)
  return paired.words(isKnown ? (language as keyof typeof SHORT_CODE_WORDS) : 'en')
}

function turnedAway(cause: RemoteError): RemoteError {
  const why = 'Cannot pair: because the owner of the device has not said yes'
  return new RemoteError('refused', why, { reason: 'not-approved', cause })
}

function somebodyBetween(): RemoteError {
  return new RemoteError(
    'bad-key',
    'Cannot pair: because what the device says does not fit the invitation: somebody may be between',
    { reason: 'not-the-device' }
  )
}
