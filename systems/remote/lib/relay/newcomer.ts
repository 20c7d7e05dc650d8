import { fromBase64url } from '../encoding/base64url'
import { networkOf } from '../quotas/network-of'
import type { Guest } from '../quotas/places'
import { deviceIdOf } from '../sealing/keys'
import { challengeDevice } from '../sealing/registration'
import { type ByeReason, type ControlMessage, decodeControl, MAX_NAME_LENGTH } from '../wire/control'
import type { Frame } from '../wire/frame'
import type { Registered } from './device-place'
import type { RelayContext } from './relay-context'
import type { LinkOwner, RelayedLink } from './relayed-link'
import type { Standing } from './standing'

export type Join = Extract<ControlMessage, { do: 'join' }>
type Register = Extract<ControlMessage, { do: 'register' }>
type Proof = Extract<ControlMessage, { do: 'proof' }>

/** What a relay does with those who have said who they are. */
export interface Reception {
  readonly context: RelayContext
  join(link: RelayedLink, join: Join): void
  standingOf(jwt: string | undefined): Promise<Standing>
  /** Whether devices without a token may register. */
  readonly openDevices: boolean
  /** @returns why it may not */
  register(deviceId: string, publicKey: Uint8Array, registered: Registered): ByeReason | undefined
}

const PUBLIC_KEY_LENGTH = 32

/** A connection that has not joined: it has a while to say that it is a client, or to prove that it is a device. */
export class Newcomer implements LinkOwner, Guest {
  readonly network: string
  readonly #link: RelayedLink
  readonly #reception: Reception
  readonly #timer: NodeJS.Timeout
  /** Gets the proof; undefined: none is expected. */
  #prove: ((proof: Proof) => void) | undefined
  #hasSpoken = false

  constructor(link: RelayedLink, reception: Reception) {
    this.#link = link
    this.#reception = reception
    this.network = networkOf(link.address)
    const { limits, counters } = reception.context
    this.#timer = setTimeout(() => {
      counters.lateJoins++
      this.#refuse('unauthenticated', true)
    }, limits.joinTimeout)
    this.#timer.unref()
    link.owner = this
    reception.context.newcomers.enter(this)
  }

  onFrame(frame: Frame): void {
    const message = decodeControl(frame)
    if (message?.do === 'proof' && this.#prove !== undefined) {
      this.#prove(message)
      this.#prove = undefined
    } else if (this.#hasSpoken) this.#link.malformed()
    else if (message?.do === 'join') {
      this.onClose()
      this.#reception.join(this.#link, message)
    } else if (message?.do === 'register') {
      this.#hasSpoken = true
      void this.#register(message)
    } else this.#link.malformed()
  }

  onClose(): void {
    clearTimeout(this.#timer)
    this.#reception.context.newcomers.leave(this)
  }

  displaced(): void {
    this.#reception.context.counters.displacedNewcomers++
    this.#refuse('too-many', true)
  }

  async #register({ publicKey: text, jwt, name }: Register): Promise<void> {
    const { context, openDevices } = this.#reception
    const publicKey = fromBase64url(text)
    const isName = name === undefined || name.length <= MAX_NAME_LENGTH
    if (publicKey?.length !== PUBLIC_KEY_LENGTH || !isName) {
      this.#link.malformed()
      return
    }
    const standing = await this.#reception.standingOf(jwt)
    if (this.#link.isClosed) return
    if (standing.subject === undefined && !openDevices) {
      context.counters.refusedDevices++
      this.#refuse('unauthenticated', false)
      return
    }
    const deviceId = await deviceIdOf(publicKey)
    const challenge = await challengeDevice(context.suite, publicKey).catch(() => undefined)
    if (this.#link.isClosed) return
    if (challenge === undefined) {
      this.#link.malformed()
      return
    }
    this.#prove = proof => {
      this.onClose()
      const { subject: owner } = standing
      const why = challenge.isProof(proof)
        ? this.#reception.register(deviceId, publicKey, { link: this.#link, standing, owner, name })
        : 'unauthenticated'
      if (why === undefined) return
      if (why === 'unauthenticated') context.counters.refusedDevices++
      this.#refuse(why, why !== 'unauthenticated')
    }
    this.#link.say(challenge.message)
  }

  #refuse(why: ByeReason, retry: boolean): void {
    this.onClose()
    this.#link.owner = undefined
    this.#link.bye(why, retry)
  }
}
