import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { certificates, closesWhatItOpened, onCleanUp, until } from '@token-server/test-helpers'
import { expect } from 'chai'
import { FakeClock } from 'token-server/testing'
import { readPhoneKey } from '../../lib/client/phone-key'
import { Client } from '../../lib/doors/node-client'
import { runOwnerCommand } from '../../lib/server/owner-command'
import { Server } from '../../lib/server/server'
import { refusalOf } from '../helpers/pairing-scene'
import { RelayServer } from '../helpers/running-relay'

const DAY = 86_400_000

/** A device on a port, with its keys in a file, and phones that come over real connections. */
async function startDevice(clock?: FakeClock) {
  const folder = join(mkdtempSync(join(tmpdir(), 'device-')), 'remote-keys')
  onCleanUp(() => rmSync(join(folder, '..'), { recursive: true }))
  const { ca, server: tls } = await certificates()
  const restart = async (port: number) => {
    const server = new Server({ keys: { folder, ...(clock && { clock }) } })
    onCleanUp(() => server.close({ timeout: 100 }))
    await server.host(({ event }) => `${event} is done`, undefined, { port, tls })
    return server
  }
  const device = await restart(0)
  const port = device.addresses[0]?.port ?? 0
  await device.keys.setAddress(`https://127.0.0.1:${port}`)
  const phone = () => {
    const client = new Client({ tls: { ca } })
    onCleanUp(() => client.close())
    return client
  }
  /** The command of the owner, in another process as it were. */
  const owner = async (...args: string[]) => {
    const [input, output, errors] = [new PassThrough(), new PassThrough(), new PassThrough()]
    const env = { REMOTE_KEYS: folder }
    const code = await runOwnerCommand(args, { env, input, output, errors })
    return { code, said: `${output.read() ?? ''}${errors.read() ?? ''}` }
  }
  const invite = async (...args: string[]) => {
    const changed = once(device.keys, 'change')
    const { said } = await owner('invite', '--unattended', ...args)
    await changed
    return said.split('\n').find(line => line.startsWith('https:')) ?? ''
  }
  return { device, port, phone, owner, invite, restart }
}

describe('Phones that are paired with a device on a port', () => {
  closesWhatItOpened()

  it('come with the owner’s invitation, over wss and over tokens, and come back with what they stored', async () => {
    const { device, port, phone, invite } = await startDevice()
    const ann = phone()
    const key = await ann.pair(await invite(), 'Ann')
    expect(await ann.send('on')).to.equal('on is done')
    const { url } = await device.keys.invite({ address: `tokens://127.0.0.1:${port}`, asks: false })
    const bob = phone()
    await bob.pair(url, 'Bob')
    expect(await bob.send('on')).to.equal('on is done')
    ann.close()
    const stored = readPhoneKey(JSON.parse(JSON.stringify(key)))
    const again = phone()
    await again.connect(stored?.url, stored?.key)
    expect(await again.send('off')).to.equal('off is done')
    expect(device.keys.phones().map(({ name }) => name)).to.deep.equal(['Ann', 'Bob'])
  })

  it('go on when another is revoked by the owner’s command, which the running device notices', async () => {
    const { phone, owner, invite } = await startDevice()
    const [ann, bob, words] = [phone(), phone(), [] as string[]]
    ann.setErrorHandler(word => words.push(word))
    const { id } = await ann.pair(await invite(), 'Ann')
    await bob.pair(await invite(), 'Bob')
    expect((await owner('revoke', id)).code).to.equal(0)
    await until(() => words.length > 0)
    expect(await refusalOf(ann.send('on'))).to.equal('bad-key revoked')
    expect(await bob.send('on')).to.equal('on is done')
    expect(words).to.deep.equal(['invalid_encryption'])
  })

  it('stop when their time is over, and the others do not', async () => {
    const clock = new FakeClock()
    const { device, phone } = await startDevice(clock)
    const [ann, bob, asks] = [phone(), phone(), false]
    await ann.pair((await device.keys.invite({ asks, until: clock.date() + DAY })).url, 'Ann')
    await bob.pair((await device.keys.invite({ asks, until: clock.date() + DAY + 1 })).url, 'Bob')
    clock.advance(DAY - 1)
    expect(await ann.send('on')).to.equal('on is done')
    clock.advance(1)
    expect(await refusalOf(ann.send('on'))).to.equal('bad-key revoked')
    expect(await bob.send('on')).to.equal('on is done')
  })

  it('leave a QR code that is worth nothing to whoever has photographed it', async () => {
    const { device, phone, invite } = await startDevice()
    const url = await invite()
    await phone().pair(url, 'Ann')
    expect(await refusalOf(phone().pair(url, 'Eve'))).to.equal('refused used')
    expect(device.keys.phones().map(({ name }) => name)).to.deep.equal(['Ann'])
  })

  it('wait for the owner, who says yes by the command', async () => {
    const { phone, owner, device } = await startDevice()
    const ann = phone()
    const asked = once(device.keys, 'asked')
    const pairing = ann.pair((await device.keys.invite()).url, 'Ann')
    const [{ id }] = (await asked) as [{ id: string }]
    expect((await owner('phones')).said).to.include('waits for you')
    expect((await owner('approve', id)).code).to.equal(0)
    await pairing
    expect(await ann.send('on')).to.equal('on is done')
  })

  it('are let through a relay by their own keys, until they are revoked; the others stay', async () => {
    const relay = await RelayServer.start({
      config: { OPEN_DEVICES: true },
      limits: { joinGrace: 300 },
      page: async () => undefined
    })
    onCleanUp(() => relay.stop())
    const device = new Server()
    onCleanUp(() => device.close({ timeout: 0 }))
    await device.hostMiddleware(relay.url('wss'), () => 'done', undefined, { tls: relay.tls })
    const phone = () => {
      const client = new Client({ tls: relay.tls })
      onCleanUp(() => client.close())
      return client
    }
    const [ann, bob] = [phone(), phone()]
    const { url } = await device.keys.invite({ asks: false })
    const key = readPhoneKey(await ann.pair(url, 'Ann'))
    expect(await ann.send('on')).to.equal('done')
    expect(await refusalOf(phone().pair(url, 'Eve'))).to.equal('refused used')
    await bob.pair((await device.keys.invite({ asks: false })).url, 'Bob')
    expect([await ann.send('on'), await bob.send('on')]).to.deep.equal(['done', 'done'])
    await device.keys.revoke(key?.key.id ?? '')
    expect(await refusalOf(ann.send('on'))).to.equal('bad-key revoked')
    expect(await bob.send('on')).to.equal('done')
    expect(await refusalOf(phone().connect(key?.url ?? '', key?.key))).to.match(/unknown-device$/)
  })

  it('are known again when the device comes back', async () => {
    const { device, port, phone, invite, restart } = await startDevice()
    const ann = phone()
    await ann.pair(await invite(), 'Ann')
    const { deviceId } = device.keys
    await device.close({ timeout: 100 })
    const again = await restart(port)
    await until(() => ann.status === 'ready')
    expect(await ann.send('on')).to.equal('on is done')
    expect(again.keys.deviceId).to.equal(deviceId)
  })
})
