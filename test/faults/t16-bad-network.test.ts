import { createHash } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { expect } from 'chai'
import { figures, isLong } from '../helpers/figures'
import { LiveProgram, monotonic } from '../helpers/live-program'
import { closesWhatItOpened, until } from '../helpers/loopback'
import { BadNetwork, makeNamespaces, needNamespaces, RIGHT, type Weather } from '../helpers/namespaces'
import { numberedToken } from '../helpers/numbered-token'
import type { PeerNote, PeerOrder, Received, Report } from './programs/honest-peer'

const DURATION = isLong ? 600_000 : 8_000
const WEATHER = { loss: 0.05, delay: 100, jitter: 50, reorder: 0.05, duplicate: 0.02, corrupt: 0.001 }

describe('T16 a bad network', () => {
  closesWhatItOpened()

  type Peer = LiveProgram<PeerOrder, PeerNote>

  /** What the receiver must have hashed when the first `count` tokens of `ids` came whole, in order, once. */
  function digestOf(ids: number[], length: number): string {
    const hash = createHash('sha256')
    for (const id of ids) {
      const token = numberedToken(id, length)
      hash.update(Buffer.from(String(token.length))).update(token)
    }
    return hash.digest('hex')
  }

  /** On each connection, what arrived is the beginning of what was sent, byte for byte. */
  function compare(sent: Report, received: Received[], length: number): number {
    for (const { port, count, sha256 } of received) {
      const ids = sent.sent.find(entry => entry.port === port)?.ids ?? []
      expect(ids.length, `sent on ${port}`).to.be.at.least(count)
      expect(sha256, `the first ${count} of ${ids.length} tokens on ${port}`).to.equal(
        digestOf(ids.slice(0, count), length)
      )
    }
    return received.reduce((sum, { count }) => sum + count, 0)
  }

  it(`T16 for ${DURATION / 1000} s: each byte stream is exact, and a broken one is followed by another connection`, async function () {
    this.timeout(DURATION + 60_000)
    needNamespaces(this, 'python3', '/dev/net/tun')
    const namespaces = makeNamespaces()
    const network = await BadNetwork.start(namespaces, 16)
    const [server, client]: [Peer, Peer] = await Promise.all([
      LiveProgram.start<PeerOrder, PeerNote>('honest-peer', { namespace: namespaces.right }),
      LiveProgram.start<PeerOrder, PeerNote>('honest-peer', { namespace: namespaces.left })
    ])
    await network.set(WEATHER)
    const options = { heartbeat: 1_000, closeTimeout: 20_000 }
    const { port } = await server.ask(
      { do: 'listen', options: { host: RIGHT, port: 0, ...options } },
      'listening'
    )
    client.order({
      do: 'dial',
      options: { host: RIGHT, port, servername: 'localhost', ...options },
      again: 100
    })
    await client.told('open')
    await server.told('open')
    const length = 3_000
    for (const peer of [client, server]) peer.order({ do: 'stream', length, outstanding: 16 })

    // Real time, here and below: the weather of the network lasts so long, whatever happens in it.
    const begin = monotonic()
    const left = () => Math.max(0, DURATION - (monotonic() - begin))
    const losses = () => client.all('lost').length
    const connected = async () => {
      await until(() => client.all('open').length > losses(), 60_000)
    }
    /** Until the connection is lost; what hits only repeated packets breaks nothing, and comes again. */
    const harm = async (weather: Weather) => {
      await connected()
      const before = losses()
      while (losses() === before) {
        await network.set(weather)
        await wait(200)
      }
      await network.set({ forge: 0, cut: false })
      await connected()
    }
    await wait(DURATION / 5)
    // What TCP's checksum can't see is left to TLS.
    await harm({ forge: 1 })
    do {
      await wait(Math.min(isLong ? 30_000 : 2_000, left()))
      // Longer than two heartbeats.
      await harm({ cut: true })
    } while (left() > 0)

    for (const peer of [client, server]) await peer.ask({ do: 'rest' }, 'idle')
    const counts = await network.set({ loss: 0, corrupt: 0, delay: 0, jitter: 0 })
    const ofClient = await client.ask({ do: 'close' }, 'report')
    const ofServer = await server.ask({ do: 'close' }, 'report')
    const arrived =
      compare(ofClient, ofServer.received, length) + compare(ofServer, ofClient.received, length)
    const causes = client.all('lost').map(note => note.code)
    figures(`packets: ${JSON.stringify(counts)}`)
    figures(
      `${arrived} tokens of ${length} bytes arrived on ${ofClient.received.length} connections, 0 wrong; ` +
        `${ofClient.delivered + ofServer.delivered} acknowledged, ended with ${JSON.stringify(tally(causes))}`
    )
    for (const name of ['lost', 'duplicated', 'reordered', 'forged'] as const)
      expect(counts[name]).to.be.above(0)
    expect(arrived).to.be.at.least(ofClient.delivered + ofServer.delivered)
    expect(arrived).to.be.above(50)
    for (const { closes, pending, uncaught } of [ofClient, ofServer]) {
      expect(new Set(closes)).to.deep.equal(new Set([1]))
      expect({ pending, uncaught }).to.deep.equal({ pending: 0, uncaught: [] })
    }
    expect(client.all('closed').map(note => note.code)).to.deep.equal(['normal'])
  })
})

function tally(names: string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return counts
}
