import { createHash } from 'node:crypto'
import { toBase64url } from '../../lib/encoding/base64url'
import type { Link } from '../../lib/link/link'
import type { Relay } from '../../lib/relay/relay'
import { answerChallenge } from '../../lib/sealing/registration'
import { type ControlMessage, decodeControl, encodeControl } from '../../lib/wire/control'
import { decodeFrame, encodeFrame, type Frame, FrameKind, NO_SESSION } from '../../lib/wire/frame'
import { memoryLinkPair } from './memory-link'
import { suite, type TestDevice, testDevice } from './sealed-pair'

type Said<What extends ControlMessage['do']> = Extract<ControlMessage, { do: What }>

/** A connection to a relay, frame by frame, with all that came. */
export class Person {
  readonly link: Link
  readonly said: ControlMessage[] = []
  readonly frames: Frame[] = []
  isClosed = false
  #wake: (() => void)[] = []

  constructor(link: Link) {
    this.link = link
    link.onFrame = bytes => {
      const frame = decodeFrame(bytes) as Frame
      const control = decodeControl(frame)
      if (control !== undefined) this.said.push(control)
      else this.frames.push(frame)
      this.#tell()
    }
    link.onClose = () => {
      this.isClosed = true
      this.#tell()
    }
  }

  say(message: ControlMessage): void {
    this.link.send(encodeControl(message))
  }

  /** Resolves with the first such message that was not waited for yet. */
  async hears<What extends ControlMessage['do']>(what: What): Promise<Said<What>> {
    const isIt = (message: ControlMessage) => message.do === what
    await this.until(`it hears ${what}`, () => this.said.some(isIt))
    return this.said.splice(this.said.findIndex(isIt), 1)[0] as Said<What>
  }

  async receives(): Promise<Frame> {
    await this.until('a frame comes', () => this.frames.length > 0)
    return this.frames.shift() as Frame
  }

  async until(what: string, isSo: () => boolean): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const said = JSON.stringify(this.said.map(message => message.do))
        reject(new Error(`${what}: not in time; it heard ${said}, closed: ${this.isClosed}`))
      }, 10_000)
    })
    while (!isSo()) await Promise.race([new Promise<void>(resolve => this.#wake.push(resolve)), late])
    clearTimeout(timer)
  }

  #tell(): void {
    for (const wake of this.#wake.splice(0)) wake()
  }
}

/** A client that has connected and says what it is told to. */
export class TestClient extends Person {
  device = ''
  client = ''

  static of(relay: Relay, address = '192.0.2.1'): TestClient {
    const [own, theirs] = memoryLinkPair()
    relay.accept(theirs, { address })
    return new TestClient(own)
  }

  async join(device: string, proof: { jwt?: string; tag?: string } = {}): Promise<Said<'welcome'>> {
    this.say({ do: 'join', device, ...proof })
    const welcome = await this.hears('welcome')
    this.device = device
    this.client = welcome.client
    return welcome
  }

  send(body: string, header: Partial<Frame> = {}): boolean {
    const { device, client } = this
    const clear = { kind: FrameKind.sealed, device, client, key: 'k', session: NO_SESSION }
    return this.link.send(encodeFrame({ ...clear, ...header }, Buffer.from(body)))
  }
}

/** The connection of a device to a relay. */
export class TestDeviceLink extends Person {
  readonly device: TestDevice

  private constructor(link: Link, device: TestDevice) {
    super(link)
    this.device = device
  }

  get id(): string {
    return this.device.id
  }

  static async of(
    relay: Relay,
    { device, address = '192.0.2.2' }: { device?: TestDevice; address?: string } = {}
  ) {
    const [own, theirs] = memoryLinkPair()
    relay.accept(theirs, { address })
    return new TestDeviceLink(own, device ?? (await testDevice()))
  }

  /** @param tags of which the hashes are told */
  async register({ jwt, tags = [] }: { jwt?: string; tags?: readonly Uint8Array[] } = {}): Promise<this> {
    await this.prove(jwt)
    await this.hears('registered')
    if (tags.length > 0) this.admit(tags)
    return this
  }

  async prove(jwt?: string): Promise<void> {
    this.say({ do: 'register', publicKey: toBase64url(this.device.publicKey), ...(jwt && { jwt }) })
    const challenge = await this.hears('challenge')
    this.say(await answerChallenge(suite, this.device.keys, challenge))
  }

  admit(tags: readonly Uint8Array[]): void {
    this.say({ do: 'admit', tags: tags.map(tag => createHash('sha256').update(tag).digest('base64url')) })
  }

  send(client: string, body: string, header: Partial<Frame> = {}): boolean {
    const clear = { kind: FrameKind.sealed, device: this.id, client, key: 'k', session: NO_SESSION }
    return this.link.send(encodeFrame({ ...clear, ...header }, Buffer.from(body)))
  }
}

export function bodyOf({ body }: Frame): string {
  return Buffer.from(body).toString()
}
