import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import type { Connection, TokenClient } from '../../lib'
import { seededRandom } from '../../lib/testing'
import { figures, isLong } from '../helpers/figures'
import { LiveProgram } from '../helpers/live-program'
import { closesWhatItOpened, freePort, makeClient, onCleanUp } from '../helpers/loopback'
import { idsIn, numberedToken } from '../helpers/numbered-token'
import { type Fated, Outstanding } from '../helpers/outstanding'
import { remove, temporaryFolder } from '../helpers/program'
import { tapReads, tapsReads } from '../helpers/read-tap'
import { WireCounts } from '../helpers/wire-counts'
import type { PeerNote, PeerOrder } from './programs/honest-peer'

interface Sent extends Fated {
  readonly id: number
  /** What was read on the connection that took it; null while it waits, and when none took it. */
  wire: WireCounts | null
  /** Its number on that connection. */
  number: number
}

/** `deliver()` without a pause, and what became of each token. */
class DeliverStream extends Outstanding<Sent> {
  readonly sent: Sent[] = []
  readonly wires: WireCounts[] = []
  readonly #client: TokenClient
  readonly #random: () => number
  readonly #waiting = new Set<Sent>()

  constructor(client: TokenClient, random: () => number) {
    super()
    this.#client = client
    this.#random = random
    client.on('connect', () => this.#opened(client.connection as Connection))
  }

  protected deliver(): { sent: Sent; promise: Promise<void> } {
    const sent: Sent = { id: this.sent.length + 1, wire: null, number: 0, fate: 'pending' }
    this.sent.push(sent)
    const { connection } = this.#client
    const before = connection?.tokensSent
    const promise = this.#client.deliver(numberedToken(sent.id, Math.round(this.#random() ** 4 * 40_000)))
    if (connection === null || connection.tokensSent === before) this.#waiting.add(sent)
    else this.#place(sent, connection.tokensSent)
    return { sent, promise }
  }

  protected override broken(sent: Sent): void {
    this.#waiting.delete(sent)
  }

  #place(sent: Sent, number: number): void {
    sent.wire = this.wires.at(-1) as WireCounts
    sent.number = number
  }

  /** What the server before has left over was sent first, then what waited for the connection, in order. */
  #opened(connection: Connection): void {
    const wire = new WireCounts()
    const left = this.sent.filter(sent => sent.fate === 'pending' && sent.wire !== null)
    this.wires.push(wire)
    tapReads(connection.socket, chunk => wire.read(chunk))
    expect(connection.tokensSent).to.equal(left.length + this.#waiting.size)
    let number = 0
    for (const sent of [...left, ...this.#waiting]) this.#place(sent, ++number)
    this.#waiting.clear()
  }
}

describe('T11 a server killed under a stream of deliver()', () => {
  closesWhatItOpened()
  tapsReads()

  const OUTSTANDING = 64
  let folder: string
  before(() => {
    folder = temporaryFolder()
  })
  after(() => remove(folder))

  type ServerProgram = LiveProgram<PeerOrder, PeerNote>

  /** Ends a server `rounds` times after 1 to `most` tokens, starts the next at once, and returns all that became of it. */
  async function rounds(count: number, most: number, end: (server: ServerProgram) => Promise<void>) {
    const random = seededRandom(count)
    const journal = join(folder, `journal-${count}`)
    const port = await freePort()
    const start = () => LiveProgram.start<PeerOrder, PeerNote>('honest-peer')
    const listen = (server: ServerProgram) =>
      server.ask({ do: 'listen', options: { host: '127.0.0.1', port }, journal }, 'listening')

    let server = await start()
    await listen(server)
    const client = await makeClient(port, { protocol: 'token/2', reconnect: () => 5 })
    const closed = [] as string[]
    client.on('close', () => closed.push('close'))
    const stream = new DeliverStream(client, random)
    onCleanUp(() => stream.end())
    await once(client, 'connect')
    const settled = stream.run(OUTSTANDING)
    for (let round = 0; round < count; round++) {
      const next = start()
      // The server ends in the turn of the event loop in which that many are acknowledged.
      const last = stream.handed + 1 + Math.floor(random() * most)
      const ended = new Promise<void>(resolve => {
        stream.onHanded = () => {
          if (stream.handed < last) return
          stream.onHanded = () => {}
          resolve(end(server))
        }
      })
      await ended
      await server.kill()
      server = await next
      await listen(server)
    }
    const more = stream.handed + most
    await new Promise<void>(resolve => {
      stream.onHanded = () => {
        if (stream.handed >= more) resolve()
      }
    })
    stream.end()
    await settled
    expect(closed).to.deep.equal([])
    client.close()
    await client.closed
    await server.kill()
    return { stream, journal: idsIn(readFileSync(journal)) }
  }

  function judge({ stream, journal }: { stream: DeliverStream; journal: number[] }) {
    const arrived = new Set(journal)
    const of = (fate: Sent['fate']) => stream.sent.filter(sent => sent.fate === fate)
    const handed = of('handed')
    const notSent = of('ERR_NOT_SENT')
    const unknown = of('ERR_FATE_UNKNOWN')
    const isCovered = ({ wire, number }: Sent) => wire !== null && number <= wire.covered
    figures(
      `${stream.sent.length} tokens on ${stream.wires.length} connections: ${handed.length} acknowledged, ` +
        `${notSent.length} not sent, ${unknown.length} of unknown fate (${unknown.filter(({ id }) => arrived.has(id)).length} had arrived)`
    )
    const lost = handed.filter(({ id }) => !arrived.has(id))
    const arrivedAfterAll = notSent.filter(({ id }) => arrived.has(id))
    figures(
      `acknowledged and lost ${lost.length}, "not sent" and arrived ${arrivedAfterAll.length}, ` +
        `"unknown" and covered ${unknown.filter(isCovered).length}, duplicates ${journal.length - arrived.size}`
    )
    expect(handed.length + notSent.length + unknown.length, 'settled').to.equal(stream.sent.length)
    expect(lost, 'acknowledged, and lost').to.deep.equal([])
    expect(
      handed.filter(sent => !isCovered(sent)),
      'acknowledged by nobody'
    ).to.deep.equal([])
    expect(arrivedAfterAll, 'not sent, and arrived').to.deep.equal([])
    expect(notSent.filter(isCovered), 'not sent, and covered').to.deep.equal([])
    expect(unknown.filter(isCovered), 'unknown, and covered').to.deep.equal([])
    expect(journal.length, 'duplicates').to.equal(arrived.size)
    return { notSent, unknown }
  }

  const kills = isLong ? 100 : 5
  it(`T11 SIGKILL ${kills} times: no acknowledged token is lost, and each other promise told the truth`, async function () {
    this.timeout(isLong ? 600_000 : 60_000)
    const result = await rounds(kills, isLong ? 1_500 : 800, server => server.kill())
    expect(result.stream.wires).to.have.lengthOf(kills + 1)
    judge(result)
    expect(result.stream.handed).to.be.above(isLong ? 50_000 : 1_000)
  })

  const closes = isLong ? 30 : 3
  it(`T11 closed in order ${closes} times: every promise is kept`, async function () {
    this.timeout(isLong ? 300_000 : 60_000)
    const result = await rounds(closes, 400, async server => {
      await server.ask({ do: 'close' }, 'report')
    })
    const { notSent, unknown } = judge(result)
    expect([notSent, unknown]).to.deep.equal([[], []])
    expect(result.stream.wires.map(wire => wire.closes)).to.deep.equal(Array(closes + 1).fill(1))
  })
})
