import {
  type Certificates,
  certificates,
  closesWhatItOpened,
  onCleanUp,
  until
} from '@token-server/test-helpers'
import { expect } from 'chai'
import { readPhoneKey } from '../../lib/client/phone-key'
import { Client } from '../../lib/doors/node-client'
import { toBase64url } from '../../lib/encoding/base64url'
import { randomBytes } from '../../lib/encoding/random-id'
import { welcomeClient } from '../../lib/server/host-client'
import { Server } from '../../lib/server/server'
import type { HostOptions } from '../../lib/server/server-options'
import { dialNode } from '../../lib/transport/node-dial'
import { onceNode } from '../../lib/transport/node-once'
import { encodeControl } from '../../lib/wire/control'
import { encodeFrame, FrameKind, NO_SESSION } from '../../lib/wire/frame'
import { memoryLinkPair } from '../helpers/memory-link'
import { onceRequest } from '../helpers/once-request'
import { frameBytes, RawWebSocket } from '../helpers/raw-web-socket'
import { Person } from '../helpers/relay-people'

const KEY = toBase64url(randomBytes(32))
const BINARY = 2
const ENDLESS = 1_000_000

describe('A client without a key, at a device that listens', () => {
  closesWhatItOpened()
  let certs: Certificates
  let device: Server
  before(async () => {
    certs = await certificates()
  })
  beforeEach(() => {
    device = new Server()
    onCleanUp(() => device.close({ timeout: 0 }))
  })

  async function host(options: HostOptions = {}): Promise<number> {
    const { port } = await device.host(({ payload }) => payload, KEY, { port: 0, ...options })
    return port
  }

  function newClient(): Client {
    const client = new Client({ tls: { ca: certs.ca, servername: 'localhost' }, timeoutLength: 20_000 })
    onCleanUp(() => client.close())
    return client
  }

  async function asks(url: string): Promise<Client> {
    const client = newClient()
    await client.connect(url, KEY, true)
    expect(await client.send('echo', 'here')).to.equal('here')
    return client
  }

  async function join(url: string): Promise<Person> {
    const tls = { ca: certs.ca, servername: 'localhost' }
    const person = new Person(await dialNode({ tls })({ url }))
    onCleanUp(() => person.link.close())
    person.say({ do: 'join', device: '' })
    return person
  }

  /** A frame that no session protects, of a client that was let in. */
  function frameOf(kind: FrameKind, client: string, body = new Uint8Array()): Uint8Array {
    return encodeFrame({ kind, device: device.hub.deviceId, client, key: '', session: NO_SESSION }, body)
  }

  /** Was let in by a link in memory, and has shown no key. */
  async function welcomed() {
    await host()
    const [own, theirs] = memoryLinkPair({ highWaterBytes: ENDLESS })
    const visitor = { proofTimeout: ENDLESS, mayAsk: () => true, proved: () => {}, lost: () => {} }
    welcomeClient(theirs, visitor, { device: device.hub, publicKey: '' })
    const client = new Person(own)
    client.say({ do: 'join', device: '' })
    const { client: id } = await client.hears('welcome')
    return { client, own, theirs, id }
  }

  for (const scheme of ['ws', 'wss', 'tokens'])
    it(`takes no place of one that has it, over ${scheme}:`, async () => {
      const port = await host({ maxConnections: 40, ...(scheme !== 'ws' && { tls: certs.server }) })
      const url = `${scheme}://127.0.0.1:${port}`
      const before = await asks(url)
      const silent: Person[] = []
      for (let count = 0; count < 60; count++) silent.push(await join(url))
      // Half of a quarter: all come from one address.
      await until(() => silent.filter(({ isClosed }) => !isClosed).length === 5)
      expect(silent.slice(0, 50).every(({ isClosed }) => isClosed)).to.equal(true)
      const others = [await asks(url), await asks(url)]
      for (let count = 0; count < 20; count++) await join(url)
      for (const client of [before, ...others]) expect(await client.send('echo', 'still')).to.equal('still')
      expect(device.hub.stats.clients).to.be.below(3 + 5 + 1)
    })

  it('makes room for those that have it where all places are taken; then nobody else comes in', async () => {
    const port = await host({ maxConnections: 3, maxUnproven: 3 })
    const url = `ws://127.0.0.1:${port}`
    const silent = await join(url)
    await silent.hears('welcome')
    for (let count = 0; count < 3; count++) await asks(url)
    await silent.until('it is cut', () => silent.isClosed)
    const late = newClient()
    expect(await late.connect(url, KEY).catch(({ code }) => code)).to.equal('disconnected')
  })

  it('has a while to show one, and may come again', async () => {
    const port = await host({ proofTimeout: 200 })
    const url = `ws://127.0.0.1:${port}`
    const silent = await join(url)
    expect(await silent.hears('bye')).to.deep.equal({ do: 'bye', why: 'unauthenticated', retry: true })
    await silent.until('it is closed', () => silent.isClosed)
    const wrong = newClient()
    await wrong.connect(url, toBase64url(randomBytes(32)))
    const statuses: string[] = []
    wrong.setStatusHandler(status => statuses.push(status))
    await until(() => statuses.includes('connecting'))
    wrong.setEncryption(KEY)
    await until(() => wrong.status === 'ready')
    const since = statuses.length
    await new Promise(resolve => setTimeout(resolve, 500))
    expect(statuses).to.have.length(since)
  })

  it('is one again whose key was taken back', async () => {
    const port = await host({ proofTimeout: 300, maxUnproven: 2, maxUnprovenPerAddress: 2 })
    const invited = newClient()
    const { url } = await device.keys.invite({ address: `ws://127.0.0.1:${port}`, asks: false })
    const paired = await invited.pair(url, 'Ann')
    const stored = readPhoneKey(JSON.parse(JSON.stringify(paired)))
    invited.close()
    const phone = newClient()
    await phone.connect(stored?.url, stored?.key)
    expect(await phone.send('echo', 'here')).to.equal('here')
    const statuses: string[] = []
    phone.setStatusHandler(status => statuses.push(status))
    await device.keys.revoke(paired.id)
    await until(() => statuses.includes('bad-key'))
    await until(() => statuses.includes('connecting'))
    await asks(`ws://127.0.0.1:${port}`)
  })

  it('asks so much over the web and no more; requests that show a key are not counted', async () => {
    const port = await host({ tls: certs.server, maxUnprovenRatePerAddress: 1 })
    const url = `https://127.0.0.1:${port}`
    const once = newClient()
    await once.connect(`${url}?device=${device.hub.deviceId}`, KEY)
    for (let count = 0; count < 30; count++) expect(await once.send('echo', count)).to.equal(count)
    const web = onceNode({ tls: { ca: certs.ca } })
    const id = device.hub.deviceId
    const junk = onceRequest(id, new Uint8Array(100), '')
    const begun = performance.now()
    const endsOf = async (ask: () => Promise<unknown>, count: number) => {
      const ends: string[] = []
      while (ends.length < count)
        ends.push(
          await ask().then(
            () => 'answered',
            ({ reason }) => reason
          )
        )
      return ends
    }
    const posted = await endsOf(() => web.post(url, id, junk), 20)
    const guessed = await endsOf(() => web.invitation(url, id), 10)
    expect(guessed).to.include('busy')
    const most = 11 + (performance.now() - begun) / 1_000
    expect([...posted, ...guessed].filter(end => end !== 'busy').length).to.be.within(8, most)
  })

  it('is cut when a few of the answers wait that it does not read', async () => {
    const { own, theirs, id } = await welcomed()
    own.pause()
    for (let sent = 0; sent < 5_000; sent++) own.send(frameOf(FrameKind.sealed, id))
    await until(() => theirs.isClosed)
    expect(theirs.bufferedBytes).to.be.within(16_384, 32_768)
  })

  it('waits for no answers of its own: whatever waits of its frames is bounded, empty ones too', async () => {
    const { client, own, id } = await welcomed()
    // The handshake is made while all the others arrive.
    for (let sent = 0; sent < 40_000; sent++)
      own.send(frameOf(sent === 0 ? FrameKind.ask : FrameKind.accept, id))
    expect(await client.hears('bye')).to.include({ why: 'too-fast' })
  })

  it('tries a hundred keys on one connection', async () => {
    const { client, own, id } = await welcomed()
    own.send(frameOf(FrameKind.ask, id))
    for (let tried = 0; tried < 101; tried++) own.send(frameOf(FrameKind.start, id, Buffer.of(1)))
    expect(await client.hears('bye')).to.include({ why: 'too-many' })
    expect(client.frames.filter(({ kind }) => kind === FrameKind.refuse)).to.have.length(100)
  })

  it('sends so much without a session and no more, by however many connections', async () => {
    const port = await host({ maxUnprovenRatePerAddress: 5 })
    const url = `ws://127.0.0.1:${port}`
    const honest = await asks(url)
    let refused = 0
    const begun = performance.now()
    for (let count = 0; count < 10; count++) {
      const person = await join(url)
      await person.until('it is answered', () => person.said.length > 0 || person.isClosed)
      const [welcome] = person.said
      if (welcome?.do === 'welcome')
        for (let sent = 0; sent < 40; sent++)
          person.link.send(frameOf(FrameKind.start, welcome.client, Buffer.of(1, 2, 3)))
      await person.until('it is closed', () => person.isClosed || person.frames.length === 40)
      refused += person.frames.length
    }
    const most = 50 + (5 * (performance.now() - begun)) / 1_000
    expect(refused).to.be.within(10, most)
    expect(await honest.send('echo', 'here')).to.equal('here')
  })

  it('is counted by what leads to no session: many with a key come at once from one address', async () => {
    const port = await host({ maxUnprovenRatePerAddress: 1 })
    for (let count = 0; count < 30; count++) (await asks(`ws://127.0.0.1:${port}`)).close()
  })

  it('is cut at once when it goes on behind the end', async () => {
    const port = await host({ maxUnprovenRatePerAddress: 1 })
    const raw = await RawWebSocket.open(port)
    raw.send(BINARY, encodeControl({ do: 'join', device: '' }))
    await raw.next()
    const junk = Buffer.concat(Array(1_000).fill(frameBytes(BINARY, frameOf(FrameKind.sealed, 'a'))))
    const begun = performance.now()
    while (!raw.socket.destroyed) {
      raw.socket.write(junk)
      await new Promise(setImmediate)
    }
    expect(performance.now() - begun).to.be.below(1_500)
  })

  it('connects so often and no more', async () => {
    const port = await host({ maxConnectRatePerAddress: 1 })
    const begun = performance.now()
    const results = await Promise.all(
      Array.from({ length: 30 }, () =>
        RawWebSocket.open(port).then(
          () => 'in',
          () => 'cut'
        )
      )
    )
    const most = 11 + (performance.now() - begun) / 1_000
    expect(results.filter(result => result === 'in').length).to.be.within(10, most)
  })
})
