import { toBase64url } from '../encoding/base64url'
import { decodeControl, encodeControl } from '../wire/control'
import { type Frame, FrameKind } from '../wire/frame'
import type { Directory } from './directory'
import type { NoPlace } from './party'
import type { RelayContext } from './relay-context'
import type { LinkOwner, RelayedLink } from './relayed-link'
import { Seeker } from './seeker'
import type { Standing } from './standing'

/** What a client may send to its device, beside control frames. */
const TO_DEVICES = new Set<FrameKind>([FrameKind.ask, FrameKind.start, FrameKind.sealed, FrameKind.forgotten])

/** Of a device's own word for why it will not have a client: it may have it later. */
const LATER = new Set(['shutting-down', 'busy', 'too-slow', 'too-many'])

/** A client that is connected here, and waits for its device or is with it. */
export class ClientSeat extends Seeker implements LinkOwner {
  readonly clientId: string
  readonly isOnce = false
  /** Milliseconds since 1970. */
  readonly since = Date.now()
  readonly #link: RelayedLink
  #standing: Standing | undefined
  #isOnline = false

  constructor(
    ids: { readonly clientId: string; readonly deviceId: string },
    link: RelayedLink,
    directory: Directory,
    context: RelayContext
  ) {
    super(ids.deviceId, directory, context)
    this.clientId = ids.clientId
    this.#link = link
    link.owner = this
    const { maxFramesPerSecond, maxBytesPerSecond, maxWaitingBytes } = context.limits
    link.limit({ framesPerSecond: maxFramesPerSecond, bytesPerSecond: maxBytesPerSecond }, maxWaitingBytes)
  }

  get address(): string | undefined {
    return this.#link.address
  }

  get isIn(): boolean {
    return this.place !== undefined
  }

  /** Whose token is good for as long as the client is here. */
  stand(standing: Standing): void {
    this.#standing = standing
    standing.watch(() => {
      this.context.counters.ended++
      this.bye('unauthenticated', true)
    })
  }

  onFrame(frame: Frame, bytes: Uint8Array): void {
    if (frame.kind === FrameKind.control) {
      this.#control(frame)
      return
    }
    const { counters } = this.context
    if (frame.device !== this.deviceId || frame.client !== this.clientId || !TO_DEVICES.has(frame.kind))
      counters.foreignFrames++
    else if (this.place === undefined) counters.lateFrames++
    else this.place.take(this, bytes)
  }

  onClose(reason: string): void {
    this.context.log.debug({ client: this.clientId, reason }, 'a client is gone')
    this.#leave()
  }

  bye(why: string, retry: boolean): void {
    this.#link.bye(why, retry)
    this.#leave(why)
  }

  deliver(frame: Uint8Array): void {
    this.#link.send(frame)
  }

  online(): void {
    this.#isOnline = true
    this.#link.say({ do: 'online' })
  }

  offline(): void {
    if (!this.#isOnline) return
    this.#isOnline = false
    this.#link.say({ do: 'offline' })
  }

  dismissed(why: string): void {
    this.bye(why, LATER.has(why))
  }

  hold(): void {
    this.#link.hold()
  }

  release(): void {
    this.#link.release()
  }

  protected entered(publicKey: Uint8Array, isOnline: boolean, isFirst: boolean): void {
    if (!isFirst) {
      if (isOnline) this.online()
      return
    }
    this.#isOnline = isOnline
    this.context.counters.joined++
    this.#link.trust()
    const { clientId: client, deviceId: device } = this
    this.#link.send(
      encodeControl({ do: 'welcome', client, device, publicKey: toBase64url(publicKey), online: isOnline })
    )
  }

  protected gaveUp(why: NoPlace): void {
    this.bye(why, true)
  }

  #control(frame: Frame): void {
    const message = decodeControl(frame)
    if (message?.do === 'renew') void this.#renew(message.jwt)
    else this.context.counters.foreignFrames++
  }

  async #renew(jwt: string): Promise<void> {
    const ok = (await this.#standing?.renew(jwt)) === true
    this.#link.say({ do: 'renewed', ok })
  }

  #leave(why?: string): void {
    this.end(why)
    this.#standing?.end()
    this.#standing = undefined
    this.#link.owner = undefined
  }
}
