import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import type { CloseInfo, Connection, SessionLoss, TokenClient } from '../../lib'
import { figures, isLong, numbersFrom } from '../helpers/figures'
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
  readonly isDelivery: boolean
}

/** A session of the client with one life of the server. */
interface Life {
  readonly wire: WireCounts
  /** What was sent in it, in order. */
  readonly sent: Sent[]
  loss: SessionLoss | null
  info: CloseInfo | null
}

/** `send()` and `deliver()` in turn, without a pause, and where each token went. */
class Stream extends Outstanding<Sent> {
  readonly lives: Life[] = []
  readonly all: Sent[] = []
  readonly #client: TokenClient
  readonly #random: () => number
  readonly #lifeOf = new Map<Connection, Life>()
  /** What the next session will send first: what had not left with the last one, then what came since. */
  #waiting: Sent[] = []

  constructor(client: TokenClient, random: () => number) {
    super()
    this.#client = client
    this.#random = random
    client.on('connect', () => this.#connected(client.connection as Connection))
  }

  protected deliver(): { sent: Sent; promise: Promise<void> } {
    this.#place(false, token => {
      expect(this.#client.send(token), 'taken').to.equal(true)
    })
    let promise!: Promise<void>
    const sent = this.#place(true, token => {
      promise = this.#client.deliver(token)
    })
    return { sent, promise }
  }

  #place(isDelivery: boolean, send: (token: Buffer) => void): Sent {
    const sent: Sent = { id: this.all.length + 1, isDelivery, fate: 'pending' }
    this.all.push(sent)
    const { connection } = this.#client
    const before = connection?.tokensSent
    send(numberedToken(sent.id, Math.round((this.#random() / 2 ** 32) ** 4 * 40_000)))
    const isTaken = connection !== null && connection.tokensSent !== before
    const life = isTaken ? this.#lifeOf.get(connection) : undefined
    if (life === undefined) this.#waiting.push(sent)
    else life.sent.push(sent)
    return sent
  }

  #connected(connection: Connection): void {
    const life: Life = { wire: new WireCounts(), sent: this.#waiting, loss: null, info: null }
    this.#waiting = []
    tapReads(connection.socket, chunk => life.wire.read(chunk))
    // No more and no less than what may be sent again, and what was never sent, in their order.
    expect(connection.tokensSent, 'sent first in the new session').to.equal(life.sent.length)
    this.lives.push(life)
    this.#lifeOf.set(connection, life)
    connection.on('session-lost', loss => {
      life.loss = loss
    })
    void connection.closed.then(info => {
      life.info = info
    })
    // Behind what the client has taken back: what comes later waits behind it.
    connection.on('close', (hadError, { unsent, unconfirmed }) => {
      const never = unsent === 0 ? [] : life.sent.slice(-unsent)
      const notHad = life.sent.slice(life.sent.length - unsent - unconfirmed)
      this.#waiting.unshift(...(hadError ? never.filter(({ isDelivery }) => !isDelivery) : notHad))
    })
  }
}

describe('S2 a server restarted under a session', () => {
  closesWhatItOpened()
  tapsReads()

  const OUTSTANDING = 64
  let folder: string
  before(() => {
    folder = temporaryFolder()
  })
  after(() => remove(folder))

  type ServerProgram = LiveProgram<PeerOrder, PeerNote>

  /** @returns the stream, and the ids that each life of the server has handed, in order */
  async function restarts(count: number, name: string, end: (server: ServerProgram) => Promise<unknown>) {
    const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
    figures(`seed ${seed}`)
    const random = numbersFrom(seed)
    const journal = join(folder, name)
    const port = await freePort()
    const start = () => LiveProgram.start<PeerOrder, PeerNote>('honest-peer')
    const options = { host: '127.0.0.1', port, session: true }
    const listen = (server: ServerProgram) => server.ask({ do: 'listen', options, journal }, 'listening')
    const ends: number[] = []

    let server = await start()
    await listen(server)
    const client = await makeClient(port, { session: true, reconnect: () => 5 })
    const stream = new Stream(client, random)
    onCleanUp(() => stream.end())
    await once(client, 'connect')
    const settled = stream.run(OUTSTANDING)
    const handedMore = (tokens: number) =>
      new Promise<void>(resolve => {
        const last = stream.handed + tokens
        stream.onHanded = () => {
          if (stream.handed < last) return
          stream.onHanded = () => {}
          resolve()
        }
      })
    for (let round = 0; round < count; round++) {
      const next = start()
      await handedMore(1 + (random() % 500))
      await end(server)
      await server.kill()
      ends.push(idsIn(readFileSync(journal)).length)
      server = await next
      await listen(server)
    }
    await handedMore(500)
    stream.end()
    await settled
    client.close()
    await client.closed
    await server.kill()
    const ids = idsIn(readFileSync(journal))
    const handed = [...ends, ids.length].map((to, life) => ids.slice(ends[life - 1] ?? 0, to))
    return { stream, ids, handed }
  }

  type Result = Awaited<ReturnType<typeof restarts>>

  /** What is true of each life, whatever ended it. */
  function judge({ stream, ids, handed }: Result, lives: number): void {
    expect(stream.lives).to.have.lengthOf(lives)
    expect(
      stream.all.filter(({ fate, isDelivery }) => isDelivery && fate === 'pending'),
      'never settled'
    ).to.deep.equal([])
    for (const [index, id] of ids.entries()) {
      if (index > 0) expect(id, 'handed twice, or out of order').to.be.above(ids[index - 1] as number)
    }
    for (const [index, { wire, sent, info }] of stream.lives.entries()) {
      const { unconfirmed, unsent } = info as CloseInfo
      expect(wire.covered + unconfirmed + unsent, 'acknowledged + unknown + unsent').to.equal(sent.length)
      const had = handed[index] as number[]
      expect(had, 'handed in this life').to.deep.equal(sent.slice(0, had.length).map(({ id }) => id))
      expect(had.length).to.be.within(wire.covered, wire.covered + unconfirmed)
    }
    // What never left came once, later, but for what had a promise when the server was killed.
    const all = new Set(ids)
    const lost = stream.lives.flatMap(({ sent, info }) => {
      const never = sent.slice(sent.length - (info?.unsent ?? 0))
      return never.filter(({ id, isDelivery }) => all.has(id) === (isDelivery && info?.hadError))
    })
    expect(lost, 'unsent: sent again unless it had a promise').to.deep.equal([])
  }

  function print({ stream, ids }: Result): void {
    const sum = (of: (life: Life) => number) => stream.lives.reduce((total, life) => total + of(life), 0)
    figures(
      `${stream.all.length} tokens in ${stream.lives.length} sessions: ${sum(({ wire }) => wire.covered)} acknowledged, ` +
        `${sum(({ info }) => info?.unconfirmed ?? 0)} unknown, ${sum(({ info }) => info?.unsent ?? 0)} unsent; ${ids.length} handed, none twice`
    )
  }

  function fatesOf(sent: readonly Sent[]): string[] {
    return [...new Set(sent.filter(({ isDelivery }) => isDelivery).map(({ fate }) => fate))]
  }

  const kills = isLong ? 100 : 5
  it(`S2 SIGKILL ${kills} times: session-lost tells the true counts, and nothing is sent twice`, async function () {
    this.timeout(isLong ? 600_000 : 60_000)
    const result = await restarts(kills, 'killed', server => server.kill())
    print(result)
    judge(result, kills + 1)
    for (const { wire, sent, loss, info } of result.stream.lives.slice(0, -1)) {
      const { unconfirmed: unknown, unsent } = info as CloseInfo
      expect(loss).to.deep.equal({ reason: 'unknown', unknown, unsent })
      expect(fatesOf(sent.slice(0, wire.covered))).to.deep.equal(['handed'])
      const doubtful = fatesOf(sent.slice(wire.covered, wire.covered + unknown))
      expect(new Set([...doubtful, 'ERR_FATE_UNKNOWN'])).to.deep.equal(new Set(['ERR_FATE_UNKNOWN']))
      const never = fatesOf(sent.slice(wire.covered + unknown))
      expect(new Set([...never, 'ERR_NOT_SENT'])).to.deep.equal(new Set(['ERR_NOT_SENT']))
    }
  })

  const closes = isLong ? 30 : 3
  it(`S2 closed in order ${closes} times: the session ends with the last word, and what it does not cover goes on in the next one`, async function () {
    this.timeout(isLong ? 300_000 : 60_000)
    const result = await restarts(closes, 'closed', server => server.ask({ do: 'close' }, 'report'))
    print(result)
    judge(result, closes + 1)
    for (const [index, { wire, sent, loss, info }] of result.stream.lives.slice(0, -1).entries()) {
      // Nothing is lost that was not told before: the session was ended, by CLOSE `shutdown` and a final count.
      expect([loss, info?.hadError, wire.closes]).to.deep.equal([null, false, 1])
      expect(result.handed[index]).to.have.lengthOf(wire.covered)
      expect(fatesOf(sent.slice(0, wire.covered))).to.deep.equal(['handed'])
    }
    expect(fatesOf(result.stream.all)).to.deep.equal(['handed'])
    expect(result.ids, 'none missing, none twice, in order').to.deep.equal(
      result.stream.all.map(({ id }) => id)
    )
  })
})
