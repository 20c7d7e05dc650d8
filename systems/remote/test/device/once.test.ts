import { closesWhatItOpened, onCleanUp, until } from '@token-server/test-helpers'
import { expect } from 'chai'
import { FakeClock } from 'token-server/testing'
import type { DeviceHubOptions } from '../../lib/device/device-hub-options'
import { textOf, utf8 } from '../../lib/encoding/bytes'
import { randomText } from '../../lib/encoding/random-id'
import { sealOnce } from '../../lib/sealing/once'
import { Server } from '../../lib/server/server'
import { encodeFrame, FrameKind, NO_SESSION } from '../../lib/wire/frame'
import { failureOf, makeScene, type Scene, suite } from '../helpers/device-and-client'
import { frameOf } from '../helpers/frame-of'

describe('A device that is asked without a connection', () => {
  closesWhatItOpened()
  let scene: Scene
  let clock: FakeClock
  const instance = randomText(22)
  /** What the device gave as the moment, and called its memory. */
  let at: unknown
  let known: unknown

  async function start(options: Partial<DeviceHubOptions> = {}): Promise<void> {
    clock = new FakeClock({ date: Date.now() })
    scene = await makeScene({ clock, handler: () => 'done', ...options }, { clock })
    onCleanUp(() => scene.close())
    at = undefined
    const [, epoch, milliseconds, called] = (await ask()) as unknown[]
    at = [epoch, milliseconds]
    known = called
  }

  /** @returns what the device says to these messages, or the kind of a frame that is no answer */
  async function ask(...messages: unknown[]): Promise<unknown> {
    const plain = utf8(JSON.stringify([{ instance, sent: 0, timeout: 1_000, at, known }, ...messages]))
    const place = { device: scene.hub.deviceId }
    const sealed = await sealOnce(suite, scene.host.publicKey, place, scene.key, plain)
    const frame = frameOf(await scene.hub.once(sealed.frame))
    if (frame.kind !== FrameKind.onceAnswer) return frame.kind
    return JSON.parse(textOf(await sealed.openAnswer(frame)))[0]
  }

  it('answers whatever is sealed in the request, in time', async () => {
    await start()
    expect(await ask(['req', 1, 'x', null], ['ack', 1])).to.deep.include.members(['res', 1])
    for (const first of ['ack', 'cancel', 'ping', 'x', 1, null])
      expect(await ask([first, 2], ['req', 3, 'x', null]), String(first)).to.deep.include.members(['err', 2])
    for (const nothing of [[], [['req']], [['req', 'x']], [['ack', -1]], ['req'], [null]])
      expect(await ask(...nothing), JSON.stringify(nothing)).to.equal(FrameKind.refuse)
    expect(await ask(['req', 4, 'x', null], ['cancel', 4], ['req', 5, 'x'])).to.deep.include.members([
      'res',
      4
    ])
    expect(scene.hub.stats.commands).to.equal(0)
  })

  it('ends to wait for its own answer after a minute, and has it when it is asked again', async () => {
    let go = (_: unknown) => {}
    const gate = new Promise(resolve => {
      go = resolve
    })
    await start({ handler: () => gate, handlerTimeout: 600_000 })
    const failure = failureOf(ask(['req', 1, 'x', null]))
    await until(() => scene.hub.stats.commands > 0)
    await clock.elapse(60_000)
    expect(await failure).to.include({ code: 'timeout', ran: 'maybe' })
    const answer = ask(['req', 1, 'x', null])
    go('at last')
    expect(await answer).to.include('at last')
  })

  it('tells who sends what is no request so, by the status', async () => {
    const device = new Server()
    onCleanUp(() => device.close({ timeout: 0 }))
    const { port } = await device.host(() => 1, 'words', { port: 0 })
    const id = device.hub.deviceId
    const statusOf = async (body: Uint8Array | string, there = id) =>
      (
        await fetch(`http://127.0.0.1:${port}/remote/once/${there}`, {
          method: 'POST',
          body: body as BodyInit
        })
      ).status
    const frame = (kind: FrameKind) =>
      encodeFrame({ kind, device: id, client: '', key: '', session: NO_SESSION }, new Uint8Array(3))
    expect(await statusOf('junk')).to.equal(400)
    expect(await statusOf('')).to.equal(400)
    expect(await statusOf(frame(FrameKind.sealed))).to.equal(400)
    expect(await statusOf(frame(FrameKind.onceRequest))).to.equal(200)
    expect(await statusOf('junk', 'a'.repeat(22))).to.equal(404)
    expect(await statusOf(new Uint8Array(2_000_000))).to.equal(413)
  })
})
