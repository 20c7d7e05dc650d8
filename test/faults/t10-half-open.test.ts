import { expect } from 'chai'
import { Connection, type TokenError } from '../../lib'
import { FakeClock, type MemoryPair, memoryPair } from '../../lib/testing'
import { figures } from '../helpers/figures'
import { LiveProgram, monotonic } from '../helpers/live-program'
import { closesWhatItOpened } from '../helpers/loopback'
import { Cable, makeNamespaces, needNamespaces, RIGHT } from '../helpers/namespaces'
import { numberedToken } from '../helpers/numbered-token'
import type { PeerNote, PeerOrder } from './programs/honest-peer'

describe('T10 a half-open peer', () => {
  closesWhatItOpened()

  const HEARTBEAT = 500
  const BOUND = 2 * HEARTBEAT + 1_000

  /** A client and a server in two namespaces, a cable between them, and an open connection. */
  async function peersOnACable() {
    const namespaces = makeNamespaces()
    const cable = new Cable(namespaces)
    const server = await LiveProgram.start<PeerOrder, PeerNote>('honest-peer', {
      namespace: namespaces.right
    })
    const client = await LiveProgram.start<PeerOrder, PeerNote>('honest-peer', { namespace: namespaces.left })
    const options = { heartbeat: HEARTBEAT, closeTimeout: 500 }
    const { port } = await server.ask(
      { do: 'listen', options: { host: RIGHT, port: 0, ...options } },
      'listening'
    )
    client.order({
      do: 'dial',
      options: { host: RIGHT, port, servername: 'localhost', connectTimeout: 700, ...options },
      again: 50
    })
    await client.told('open')
    await server.told('open')
    return { cable, server, client }
  }

  type Peers = Awaited<ReturnType<typeof peersOnACable>>

  /** Cuts the cable, waits until both sides know, heals it, and waits for the next connection. */
  async function cutAndHeal({ cable, server, client }: Peers) {
    const cutAt = monotonic()
    cable.drop()
    const sides = await Promise.all([client.told('lost'), server.told('lost')])
    const after = sides.map(note => note.at - cutAt)
    // What it told before its report is here as well.
    await Promise.all([client.ask({ do: 'report' }, 'report'), server.ask({ do: 'report' }, 'report')])
    const rejected = [...client.all('rejected'), ...server.all('rejected')]
    const slowest = Math.max(0, ...rejected.map(note => note.at - cutAt))
    const first = client.all('open')[0]?.port
    const healedAt = monotonic()
    cable.heal()
    const back = await client.told('open', note => note.port !== first)
    await server.told('open', note => note.port === back.port)
    figures(
      `the client knew ${after[0]?.toFixed(0)} ms after the cut, the server ${after[1]?.toFixed(0)} (bound ${BOUND}); ` +
        `${rejected.length} promises rejected, the last after ${slowest.toFixed(0)}; connected again ${(back.at - healedAt).toFixed(0)} ms after the heal`
    )
    expect(sides.map(note => note.code)).to.deep.equal(['ERR_HEARTBEAT_TIMEOUT', 'ERR_HEARTBEAT_TIMEOUT'])
    for (const milliseconds of after) expect(milliseconds).to.be.below(BOUND)
    expect(slowest).to.be.below(BOUND)
    const disconnects = client.all('disconnect', note => note.isConnection)
    expect(disconnects.map(note => note.code)).to.deep.equal(['ERR_HEARTBEAT_TIMEOUT'])
    return { rejected, first }
  }

  /** Each connection has closed once, and nothing is left. */
  async function closeBoth({ server, client }: Peers) {
    const ofClient = await client.ask({ do: 'close' }, 'report')
    const ofServer = await server.ask({ do: 'close' }, 'report')
    for (const { closes, pending, uncaught } of [ofClient, ofServer]) {
      expect(closes).to.deep.equal([1, 1])
      expect(pending).to.equal(0)
      expect(uncaught).to.deep.equal([])
    }
    expect(client.all('closed').map(note => note.code)).to.deep.equal(['normal'])
    return { ofClient, ofServer }
  }

  it('T10 (iptables DROP, idle) is noticed by both sides, and the client comes back', async function () {
    this.timeout(60_000)
    needNamespaces(this, 'iptables')
    const peers = await peersOnACable()
    await cutAndHeal(peers)
    await closeBoth(peers)
  })

  it('T10 (iptables DROP, both sending) rejects each promise that waited, and the client comes back', async function () {
    this.timeout(60_000)
    needNamespaces(this, 'iptables')
    const peers = await peersOnACable()
    const { server, client } = peers
    for (const peer of [server, client]) peer.order({ do: 'stream', length: 50_000, outstanding: 16 })
    for (const peer of [server, client]) {
      while ((await peer.ask({ do: 'report' }, 'report')).delivered < 200);
    }
    const { rejected, first } = await cutAndHeal(peers)
    expect(rejected.filter(({ port }) => port === first).length).to.equal(rejected.length)
    expect(client.all('rejected').map(note => note.code)).to.include('ERR_FATE_UNKNOWN')
    expect(server.all('rejected').map(note => note.code)).to.include('ERR_FATE_UNKNOWN')

    const before = await client.ask({ do: 'report' }, 'report')
    while ((await client.ask({ do: 'report' }, 'report')).delivered < before.delivered + 100);
    await Promise.all([server.ask({ do: 'rest' }, 'idle'), client.ask({ do: 'rest' }, 'idle')])
    expect(rejected.length).to.equal(client.all('rejected').length + server.all('rejected').length)
    await closeBoth(peers)
  })

  describe('in memory', () => {
    const OPTIONS = { protocol: 'token/2', heartbeat: HEARTBEAT } as const
    let clock: FakeClock
    let restore: () => void
    let pair: MemoryPair
    let sides: Connection[]
    let closes: { side: number; at: number; code: string }[]

    beforeEach(async () => {
      clock = new FakeClock()
      restore = clock.install()
      pair = memoryPair()
      sides = [
        new Connection(pair.a, { ...OPTIONS, role: 'client' }),
        new Connection(pair.b, { ...OPTIONS, role: 'server' })
      ]
      closes = []
      sides.forEach((connection, side) => {
        connection.on('token', () => {})
        connection.on('close', (_hadError, { code }) => closes.push({ side, at: clock.now(), code }))
      })
      await clock.elapse(10 * HEARTBEAT)
      expect(sides.map(side => side.isOpen)).to.deep.equal([true, true])
    })

    afterEach(() => {
      for (const side of sides) side.destroy()
      restore()
    })

    /** Lets the bound pass twice, and looks when each side closed and each promise was rejected. */
    async function noticed(promises: Promise<unknown>[] = []) {
      const begin = clock.now()
      const rejections: { code: string; after: number }[] = []
      for (const promise of promises) {
        promise.catch((error: TokenError) =>
          rejections.push({ code: error.code, after: clock.now() - begin })
        )
      }
      await clock.elapse(2 * BOUND)
      expect(closes.map(({ side }) => side).sort()).to.deep.equal([0, 1])
      for (const { at } of closes) expect(at - begin).to.be.at.most(2 * HEARTBEAT)
      expect(rejections.length).to.equal(promises.length)
      for (const { after } of rejections) expect(after).to.be.at.most(2 * HEARTBEAT)
      return { codes: closes.map(({ code }) => code), rejections: rejections.map(({ code }) => code) }
    }

    /** Tokens of which the link takes some, and more wait. */
    function deliveries(): Promise<unknown>[] {
      return sides.flatMap(side =>
        Array.from({ length: 40 }, (_, i) => side.deliver(numberedToken(i, 10_000)))
      )
    }

    it('T10 halfOpen(), idle', async () => {
      pair.link.halfOpen()
      expect((await noticed()).codes).to.deep.equal(['ERR_HEARTBEAT_TIMEOUT', 'ERR_HEARTBEAT_TIMEOUT'])
    })

    it('T10 halfOpen() in the middle of what is sent', async () => {
      const promises = deliveries()
      pair.link.halfOpen()
      const { codes, rejections } = await noticed(promises)
      expect(codes).to.deep.equal(['ERR_HEARTBEAT_TIMEOUT', 'ERR_HEARTBEAT_TIMEOUT'])
      expect(rejections).to.include('ERR_FATE_UNKNOWN')
    })

    it('T10 stall(): writes wait as well, and what never left is told so', async () => {
      const promises = deliveries()
      pair.link.stall()
      const { codes, rejections } = await noticed(promises)
      expect(codes).to.deep.equal(['ERR_HEARTBEAT_TIMEOUT', 'ERR_HEARTBEAT_TIMEOUT'])
      expect(rejections).to.include.members(['ERR_FATE_UNKNOWN', 'ERR_NOT_SENT'])
    })

    it('T10 halfOpen() of one direction: the other one tells who hears nothing that it is over', async () => {
      const promises = deliveries()
      pair.link.aToB.halfOpen()
      const { codes } = await noticed(promises)
      expect(codes).to.have.members(['ERR_HEARTBEAT_TIMEOUT', 'ERR_LOST'])
    })
  })
})
