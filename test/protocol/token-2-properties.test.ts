import { expect } from 'chai'
import fc from 'fast-check'
import type { FakeClock } from '../../lib/testing'
import { usesFakeClock } from '../helpers/fake-clock'
import { settled } from '../helpers/moments'
import { destroyTransports, token2Pair } from '../helpers/token-2'

// On a failure fast-check prints `{ seed, path }`; SEED=… repeats that run.
const parameters = (numRuns: number) =>
  process.env.SEED === undefined ? { numRuns } : { numRuns, seed: Number(process.env.SEED) }

const length = fc.oneof(
  { weight: 8, arbitrary: fc.nat({ max: 60 }) },
  { weight: 1, arbitrary: fc.nat({ max: 5000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 65_400, max: 70_000 }) }
)
const lengths = fc.array(length, { maxLength: 25 })
const setUp = fc.record({
  seed: fc.nat(),
  window: fc.constantFrom(1, 16, 200, 1_048_576),
  highWaterMark: fc.constantFrom(1, 100, 65_536),
  chop: fc.constantFrom(1, 7, 3000, Infinity),
  delay: fc.constantFrom(0, 20)
})
const consumer = fc.constantFrom('listener', 'iterator', 'stream')

/** A token that begins with its number, where it is long enough. */
function token(number: number, length: number): Buffer {
  const bytes = Buffer.alloc(length, number & 0xff)
  if (length >= 4) bytes.writeUInt32BE(number)
  return bytes
}

/** Makes two connections over a link of this kind, which have both consumers. */
function make({
  seed,
  window,
  highWaterMark,
  chop,
  delay
}: typeof setUp extends fc.Arbitrary<infer T> ? T : never) {
  const pair = token2Pair({
    both: { receiveWindow: window, heartbeat: 0, closeTimeout: Infinity, writeTimeout: 0 },
    transport: { seed, highWaterMark }
  })
  if (chop !== Infinity) pair.link.chop(chop)
  pair.link.delay(delay, delay)
  return pair
}

type Pair = ReturnType<typeof make>

function collect(connection: Pair['client'], kind: string): Buffer[] {
  const tokens: Buffer[] = []
  const iterate = async () => {
    for await (const token of connection) tokens.push(token)
  }
  if (kind === 'listener') connection.on('token', token => tokens.push(token))
  else if (kind === 'iterator') iterate().catch(() => {})
  else
    connection
      .stream()
      .on('error', () => {})
      .on('data', token => tokens.push(token))
  return tokens
}

function expectSame(received: Buffer[], sent: number[], what: string): void {
  expect(received.length, what).to.equal(sent.length)
  for (const [i, length] of sent.entries()) {
    if (!received[i]?.equals(token(i, length))) throw new Error(`${what}: token ${i} differs`)
  }
}

describe('properties of token/2', () => {
  let clock: FakeClock

  afterEach(destroyTransports)

  usesFakeClock(made => {
    clock = made
  })

  /** Lets time pass until all is settled. */
  async function until(done: Promise<unknown>): Promise<void> {
    let isDone = false
    const finish = () => {
      isDone = true
    }
    done.then(finish, finish)
    for (let round = 0; !isDone; round++) {
      if (round === 20_000) throw new Error('it never ends')
      await clock.elapse(20)
    }
  }

  it('whatever the link, the window and the consumers are, every token arrives once and in order, and every delivery is handed', async () => {
    await fc.assert(
      fc.asyncProperty(setUp, lengths, lengths, consumer, consumer, async (how, there, back, one, other) => {
        const { client, server } = make(how)
        const atServer = collect(server, one)
        const atClient = collect(client, other)
        const deliveries = [
          ...there.map((length, i) => client.deliver(token(i, length))),
          ...back.map((length, i) => server.deliver(token(i, length)))
        ]
        await until(Promise.all(deliveries))
        await Promise.all(deliveries)
        expectSame(atServer, there, 'to the server')
        expectSame(atClient, back, 'to the client')
        client.close()
        await until(Promise.all([client.closed, server.closed]))
        for (const connection of [client, server]) {
          expect(await connection.closed).to.include({ code: 'normal', unsent: 0, unconfirmed: 0 })
        }
      }),
      {
        ...parameters(60),
        // The peer ends its transport before the write of CLOSE has completed here.
        examples: [
          [
            { seed: 0, window: 1, highWaterMark: 1, chop: Infinity, delay: 0 },
            [65_400, 76, 65_400, 9],
            [0, 0, 0, 0, 0, 0],
            'iterator',
            'stream'
          ]
        ]
      }
    )
  })

  it('a close() at any time leaves no fate unknown, and every fate is true', async () => {
    await fc.assert(
      fc.asyncProperty(
        setUp,
        lengths,
        consumer,
        fc.nat({ max: 200 }),
        fc.boolean(),
        async (how, there, one, wait, isServer) => {
          const { client, server } = make(how)
          const atServer = collect(server, one)
          collect(client, 'listener')
          const fates = Promise.allSettled(there.map((length, i) => client.deliver(token(i, length))))
          for (let i = 0; i < wait; i += 10) await clock.elapse(10)
          if (isServer && !server.isOpen) return
          ;(isServer ? server : client).close()
          await until(Promise.all([client.closed, server.closed, fates]))
          const handed = (await fates).filter(({ status }) => status === 'fulfilled').length
          for (const fate of await fates) {
            if (fate.status === 'rejected') expect(fate.reason.code).to.equal('ERR_NOT_SENT')
          }
          expectSame(atServer, there.slice(0, handed), 'to the server')
          expect((await client.closed).unconfirmed).to.be.at.most(there.length - handed)
        }
      ),
      parameters(80)
    )
  })

  it('a cut at any time: a token that is told as handed was, one that is told as not sent was not', async () => {
    await fc.assert(
      fc.asyncProperty(setUp, lengths, fc.nat({ max: 200 }), async (how, there, wait) => {
        const { client, server, link } = make(how)
        const atServer = collect(server, 'listener')
        const fates = Promise.allSettled(there.map((length, i) => client.deliver(token(i, length))))
        for (let i = 0; i < wait; i += 10) await clock.elapse(10)
        link.cut()
        await until(Promise.all([client.closed, server.closed, fates]))
        await settled()
        const told = (await fates).map(fate => (fate.status === 'fulfilled' ? 'handed' : fate.reason.code))
        const arrived = atServer.length
        expectSame(atServer, there.slice(0, arrived), 'to the server')
        for (const [i, fate] of told.entries()) {
          if (fate === 'handed' && i >= arrived) throw new Error(`token ${i} was not handed`)
          if (fate === 'ERR_NOT_SENT' && i < arrived) throw new Error(`token ${i} was handed`)
        }
        const order = ['handed', 'ERR_FATE_UNKNOWN', 'ERR_NOT_SENT']
        const places = told.map(fate => order.indexOf(fate))
        expect(places).to.deep.equal([...places].sort())
      }),
      parameters(80)
    )
  })

  it('a byte that is changed on the way ends or is seen, but never hangs or throws', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 300 }), setUp, async (noise, how) => {
        const { client, server } = make({ ...how, chop: 7 })
        collect(server, 'listener')
        await clock.elapse(200)
        client.socket.write(noise)
        client.socket.end()
        await until(Promise.all([client.closed, server.closed]))
        const info = await server.closed
        expect(info.code).to.be.oneOf([
          'ERR_PROTOCOL',
          'ERR_LOST',
          'ERR_TOKEN_TOO_LARGE',
          'ERR_PEER_CLOSED',
          'normal',
          'shutdown'
        ])
      }),
      parameters(150)
    )
  })
})
