import { createHash } from 'node:crypto'
import { toBase64url } from '../../lib/encoding/base64url'
import { answerChallenge } from '../../lib/sealing/registration'
import { dialNode } from '../../lib/transport/node-dial'
import { decodeControl, encodeControl } from '../../lib/wire/control'
import { decodeFrame, encodeFrame, type Frame, FrameKind, NO_SESSION } from '../../lib/wire/frame'
import { Person } from './relay-people'
import { suite, type TestDevice, testDevice } from './sealed-pair'
import { tokenOf } from './secret'

const dial = dialNode()

const tag = new Uint8Array(16)

/** A device that sends back what it gets. */
export class Device extends Person {
  readonly id: string

  private constructor(link: Person['link'], id: string) {
    super(link)
    this.id = id
  }

  static async register(url: string): Promise<Device> {
    const keys: TestDevice = await testDevice()
    const device = new Device(await dial({ url }), keys.id)
    const jwt = await tokenOf({ userId: 'eve' })
    device.say({ do: 'register', publicKey: toBase64url(keys.publicKey), jwt })
    device.say(await answerChallenge(suite, keys.keys, await device.hears('challenge')))
    await device.hears('registered')
    device.say({ do: 'admit', tags: [createHash('sha256').update(tag).digest('base64url')] })
    device.link.onFrame = bytes => {
      const frame = decodeFrame(bytes) as Frame
      if (decodeControl(frame) === undefined) device.link.send(bytes)
    }
    return device
  }

  /** Waits while too much waits. */
  async send(client: string, body: string): Promise<void> {
    const header = { kind: FrameKind.sealed, device: this.id, client, key: 'k', session: NO_SESSION }
    if (this.link.send(encodeFrame(header, Buffer.from(body)))) return
    await new Promise<void>(resolve => {
      this.link.onDrain = resolve
    })
  }
}

/** A client that asks, and waits for what it has sent to come back. */
export class Asking extends Person {
  client = ''
  #device = ''

  static async join(url: string, device: Device): Promise<Asking> {
    const asking = new Asking(await dial({ url }))
    asking.link.send(encodeControl({ do: 'join', device: device.id, tag: toBase64url(tag) }))
    asking.client = (await asking.hears('welcome')).client
    asking.#device = device.id
    return asking
  }

  async ask(): Promise<void> {
    const header = { device: this.#device, client: this.client, key: 'k', session: NO_SESSION }
    this.link.send(encodeFrame({ kind: FrameKind.sealed, ...header }, Buffer.from('x'.repeat(200))))
    await this.receives()
  }
}
