import { EventEmitter } from 'node:events'
import type { KeyPair } from 'hpke'
import { CODE_LIFETIME, randomCode } from '../codes/invitation-code'
import { randomBytes } from '../encoding/random-id'
import { invalid } from '../errors/remote-error'
import { checkOptions } from '../options/check-options'
import { deviceIdOf, keyId, type Scrypt, textKey } from '../sealing/keys'
import { nodeScrypt } from '../sealing/node-scrypt'
import type { KeyMode, SealingKey } from '../sealing/session'
import { type Clock, type ClockTimer, MAX_DELAY, systemClock } from '../time/clock'
import { formatInvitation } from '../wire/invitation'
import { FileStore } from './file-store'
import { firstState, recordOf } from './first-state'
import {
  addInvitation,
  admitPhone,
  approvePhone,
  bringUpToDate,
  type Claimed,
  claimInvitation,
  dropKey,
  meaningOf
} from './key-changes'
import { KeyIndex, sealingKey } from './key-index'
import {
  INVITATION_CHECKS,
  type Invitation,
  type InvitationOptions,
  type KeyRingEvents,
  type KeyRingOptions
} from './key-ring-options'
import {
  bytesOf,
  type Claim,
  type InvitationRecord,
  type KeyState,
  type Scope,
  type SharedRecord
} from './key-state'
import { type KeyStore, MemoryStore } from './key-store'
import { allows, checkScope, cleanName, type Denial, type Phone, phoneOf } from './phone'

const MINUTE = 60_000
const INVITATION_LIFETIME = 10 * MINUTE
const SEEN_INTERVAL = MINUTE

/** What a device knows of keys: its own pair, the shared one, invitations, and the phones that came of them. No socket is in it. */
export class KeyRing extends EventEmitter<KeyRingEvents> {
  readonly deviceKeys: KeyPair
  readonly publicKey: Uint8Array
  readonly deviceId: string
  readonly #store: KeyStore
  readonly #clock: Clock
  readonly #scrypt: Scrypt
  readonly #maxPhones: number
  readonly #maxInvitations: number
  readonly #unwatch: () => void
  #state: KeyState
  #index: KeyIndex
  #timer: ClockTimer | undefined
  /** When phones were seen that the store does not know yet. */
  readonly #seen = new Map<string, number>()
  #seenTimer: ClockTimer | undefined
  #last: Promise<unknown> = Promise.resolve()
  #isClosed = false

  private constructor(
    {
      store,
      clock = systemClock,
      scrypt = nodeScrypt,
      ...limits
    }: KeyRingOptions & { readonly store: KeyStore },
    state: KeyState,
    deviceKeys: KeyPair,
    deviceId: string
  ) {
    super()
    this.#store = store
    this.#clock = clock
    this.#scrypt = scrypt
    this.#maxPhones = limits.maxPhones ?? 200
    this.#maxInvitations = limits.maxInvitations ?? 50
    this.deviceKeys = deviceKeys
    this.publicKey = bytesOf(state.device.publicKey)
    this.deviceId = deviceId
    this.#state = state
    this.#index = new KeyIndex(state, clock.date())
    this.#setTimer()
    this.#unwatch = store.watch(() => void this.reload())
  }

  /**
   * Opens what lies in the store; where nothing does, makes a key pair and a shared key of 32 random bytes.
   *
   * @throws RemoteError when the store can't be used
   */
  static async open(options: KeyRingOptions): Promise<KeyRing> {
    const { suite, folder } = options
    const ownStore = folder === undefined ? new MemoryStore() : new FileStore(folder)
    const ring = { ...options, store: options.store ?? ownStore }
    const state = (await ring.store.load()) ?? (await firstState(suite, ring.store))
    const publicKey = bytesOf(state.device.publicKey)
    const privateKey = await suite.DeserializePrivateKey(bytesOf(state.device.privateKey), false)
    const keys = { privateKey, publicKey: await suite.DeserializePublicKey(publicKey) }
    return new KeyRing(ring, state, keys, await deviceIdOf(publicKey))
  }

  /** @returns undefined for a key that is unknown, revoked, or whose time is over: they look the same */
  find(id: string, mode: KeyMode): SealingKey | undefined {
    const key = this.#index.get(id, this.#clock.date())
    return key?.mode === mode ? key : undefined
  }

  /** Of all keys that open now, for the relay: base64url of SHA-256 of their admission tags. */
  get tagHashes(): readonly string[] {
    return this.#index.tagHashes
  }

  /** The key that a QR code of *shared* mode carries; `plain` when the key is empty. */
  get shared(): SealingKey {
    return sealingKey(this.#state.shared, this.#state.shared.mode)
  }

  /**
   * Whether a key that opened a session may do this now.
   *
   * @param event undefined: anything at all
   */
  mayUse(keyId: string, event?: string): true | Denial {
    const key = this.#index.get(keyId, this.#clock.date())
    if (key === undefined) return 'unknown-key'
    if (key.mode === 'invitation') return 'not-allowed'
    const phone = this.#index.phones.get(keyId)
    if (phone === undefined) return true
    if (!phone.isApproved) return 'not-approved'
    return event === undefined || allows(phone.scope, event) ? true : 'not-allowed'
  }

  /** What the owner calls the phone with this key; undefined for the shared key. */
  nameOf(keyId: string): string | undefined {
    return this.#index.phones.get(keyId)?.name
  }

  /**
   * The shared key from now on, by the text that `textKey` takes: '' seals nothing. Sessions under the one before go on; nobody else
   * gets in with it.
   */
  async setShared(text: string): Promise<void> {
    const key = await textKey(text, this.deviceId, this.#scrypt)
    const shared: SharedRecord = {
      ...(await recordOf(key.id, key.psk)),
      mode: key.mode === 'plain' ? 'plain' : 'shared'
    }
    await this.#update(state => {
      state.shared = shared
    })
  }

  /** Where phones reach the device, for invitations that say nothing else. */
  get address(): string | undefined {
    return this.#state.address
  }

  async setAddress(address: string): Promise<void> {
    if (address === this.address) return
    this.#url(address, 'shared', new Uint8Array(32))
    await this.#update(state => {
      state.address = address
    })
  }

  /** The invitation URL of *shared* mode: whoever has it is in. */
  sharedInvitation(address = this.address): string {
    const { mode, psk } = this.shared
    if (mode === 'plain') throw invalid('the shared key', 'it is empty, and there is nothing to hand on')
    return this.#url(address, 'shared', psk)
  }

  /** All that were paired, those that wait or have ended included. */
  phones(): readonly Phone[] {
    const now = this.#clock.date()
    return this.#state.phones.map(phone =>
      phoneOf({ ...phone, lastSeen: this.#seen.get(phone.id) ?? phone.lastSeen }, now)
    )
  }

  /** A one-time secret for one phone. @throws RemoteError */
  async invite(options: InvitationOptions = {}): Promise<Invitation> {
    checkOptions(options, INVITATION_CHECKS)
    const { address = this.address, asks = true, events, until } = options
    const code = options.code === true ? randomCode() : undefined
    const lifetime = code === undefined ? (options.lifetime ?? INVITATION_LIFETIME) : CODE_LIFETIME
    const now = this.#clock.date()
    const scope: Scope = { events, until }
    try {
      checkScope(scope, now)
    } catch (error) {
      throw invalid('the invitation', (error as Error).message)
    }
    const psk = randomBytes(32)
    const url = this.#url(address, 'paired', psk)
    const id = keyId(psk)
    const name = cleanName(options.name) || undefined
    const record: InvitationRecord = {
      ...(await recordOf(id, psk)),
      endsAt: now + lifetime,
      name,
      scope,
      asks,
      ...(code !== undefined && address !== undefined && { coded: { code, address } })
    }
    await this.#update(state => addInvitation(state, record, this.#maxInvitations))
    return { id, url, ...(code !== undefined && { code }), endsAt: record.endsAt }
  }

  /** Invitations for which a code stands, and that no phone has claimed. */
  coded(): readonly { readonly id: string; readonly code: string; readonly url: string }[] {
    return this.#state.invitations.flatMap(({ id, psk, coded, claim }) =>
      coded === undefined || claim !== undefined || this.find(id, 'invitation') === undefined
        ? []
        : [{ id, code: coded.code, url: this.#url(coded.address, 'paired', bytesOf(psk)) }]
    )
  }

  /** Takes back a phone, or an invitation. @returns false when there is none of this id */
  revoke(id: string): Promise<boolean> {
    return this.#update(state => dropKey(state, id))
  }

  /** Lets a phone in that waits. @returns false when none of this id does */
  approve(id: string): Promise<boolean> {
    return this.#update(state => approvePhone(state, id, this.#clock.date()))
  }

  /** A session under this key has opened. */
  touched(id: string): void {
    const phone = this.#index.phones.get(id)
    if (phone === undefined) return
    const isFirst = phone.lastSeen === undefined && !this.#seen.has(id)
    this.#seen.set(id, this.#clock.date())
    // The owner looks when the phone is new.
    if (isFirst) this.#saveSeen()
    else this.#seenTimer ??= this.#after(SEEN_INTERVAL, () => this.#saveSeen())
  }

  /**
   * A phone has come with an invitation: the first one has it from now on.
   *
   * @param claim what it said
   * @param isWanted whether the phone is still there when its turn comes; nothing is written for one that has gone
   * @returns what counts: of the same phone's first try; or a word that says why not
   */
  claim(invitationId: string, claim: Claim, isWanted = () => true): Promise<Claimed> {
    const said = (state: KeyState) => claimInvitation(state, invitationId, claim, this.#clock.date())
    return this.#update(said, () => {
      if (!isWanted()) return 'unknown-key'
      const found = this.#state.invitations.find(({ id }) => id === invitationId)
      return found !== undefined && found.claim === undefined ? undefined : said(this.#state)
    })
  }

  /** What counts of an invitation that a phone has come with. */
  claimOf(invitationId: string): Claim | undefined {
    return this.#state.invitations.find(({ id }) => id === invitationId)?.claim
  }

  /**
   * The exchange with the phone that claimed the invitation is done. Doing it again changes nothing.
   *
   * @param enc of the claim
   * @param key the phone's own, and the words to compare
   * @returns undefined when the invitation is not this phone's, or no more
   */
  async admit(
    invitationId: string,
    enc: string,
    { id, psk, words }: { readonly id: string; readonly psk: Uint8Array; readonly words: string }
  ): Promise<Phone | undefined> {
    const record = { ...(await recordOf(id, psk)), words }
    const phone = await this.#update(state =>
      admitPhone(state, invitationId, enc, record, this.#clock.date(), this.#maxPhones)
    )
    return this.phones().find(each => each.id === phone)
  }

  /** Takes on what lies in the store now. A watched file does it by itself. */
  reload(): Promise<void> {
    return this.#inTurn(async () => {
      const state = await this.#store.load()
      if (this.#isClosed) return
      if (state === undefined) throw invalid('the keys', 'their file is gone')
      if (state.device.publicKey !== this.#state.device.publicKey)
        throw invalid('the keys', 'their file is of another device now')
      this.#adopt(state)
    }).catch(error => this.#failed(error))
  }

  /** Writes when phones were last seen, and lets go of the file. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#unwatch()
    for (const timer of [this.#timer, this.#seenTimer]) if (timer) this.#clock.clearTimeout(timer)
    if (this.#seen.size > 0) await this.#update(() => undefined)
  }

  #url(address: string | undefined, mode: 'shared' | 'paired', secret: Uint8Array): string {
    if (address === undefined)
      throw invalid(
        'an invitation',
        'nobody has said where phones reach the device: by the option address of the device, or --url'
      )
    try {
      return formatInvitation({
        address,
        device: this.deviceId,
        publicKey: new Uint8Array(this.publicKey),
        secret: new Uint8Array(secret),
        mode
      })
    } catch {
      throw invalid('the address of an invitation', 'it is no URL of https, http, wss, ws or tokens')
    }
  }

  /** Changes what lies in the store, and takes it on. @param known when its turn has come: what needs no change */
  #update<T>(change: (state: KeyState) => T, known?: () => T | undefined): Promise<T> {
    return this.#inTurn(async () => {
      let result = known?.()
      if (result !== undefined) return result
      const seen = new Map(this.#seen)
      const state = await this.#store.update(found => {
        if (found === undefined) throw invalid('the keys', 'their file is gone')
        bringUpToDate(found, seen, this.#clock.date())
        result = change(found)
        return found
      })
      for (const [id, at] of seen) if (this.#seen.get(id) === at) this.#seen.delete(id)
      this.#adopt(state)
      return result as T
    })
  }

  /** What was read before another's writing must not be taken on after it. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work)
    this.#last = turn.catch(() => undefined)
    return turn
  }

  #saveSeen(): void {
    if (this.#seenTimer) this.#clock.clearTimeout(this.#seenTimer)
    this.#seenTimer = undefined
    this.#update(() => undefined).catch(error => this.#failed(error))
  }

  #failed(error: Error): void {
    if (!this.#isClosed) this.emit('failed', error)
  }

  /** Takes a state on, and tells what has become of the one before. */
  #adopt(state: KeyState): void {
    if (this.#isClosed) return
    const [before, stateBefore] = [this.#index, this.#state]
    const now = this.#clock.date()
    this.#state = state
    this.#index = new KeyIndex(state, now)
    this.#setTimer()
    const gone = [...before.keys.values()].filter(({ id }) => !this.#index.keys.has(id))
    for (const { id, mode } of gone) this.emit(mode === 'paired' ? 'revoked' : 'replaced', id)
    for (const [id, phone] of this.#index.phones) {
      const known = before.phones.get(id)
      if (!phone.isApproved && known === undefined) this.emit('asked', phoneOf(phone, now))
      if (phone.isApproved && known?.isApproved === false) this.emit('approved', id)
    }
    if (gone.length > 0 || meaningOf(stateBefore) !== meaningOf(state)) this.emit('change')
  }

  /** Wakes when the next key's time is over. */
  #setTimer(): void {
    if (this.#timer) this.#clock.clearTimeout(this.#timer)
    this.#timer = undefined
    const delay = this.#index.nextEnd - this.#clock.date()
    if (delay === Number.POSITIVE_INFINITY) return
    this.#timer = this.#after(Math.min(Math.max(delay, 0), MAX_DELAY), () => this.#adopt(this.#state))
  }

  #after(delay: number, callback: () => void): ClockTimer {
    const timer = this.#clock.setTimeout(callback, delay)
    timer.unref?.()
    return timer
  }
}
