import { once } from 'node:events'
import { expect } from 'chai'
import fc from 'fast-check'
import type { CloseInfo, Connection } from '../../lib'
import type { TokenError } from '../../lib/errors/token-error'
import { JoinedToken } from '../../lib/receiving/joined-token'
import { Receiver } from '../../lib/receiving/receiver'
import { allocate } from '../../lib/runtime/slab-pool'
import { Demultiplexer } from '../../lib/wire/demultiplexer'
import { frame, frames, pattern } from '../helpers/bytes'
import { canDetachMarked, detach, transfer } from '../helpers/detach'
import { closesWhatItOpened, connectPair, startServer, until } from '../helpers/loopback'
import { openPair } from '../helpers/token-2'

// On a failure fast-check prints `{ seed, path }`; SEED=… repeats that run.
const parameters = process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) }

describe('Memory that tokens share', () => {
  closesWhatItOpened()

  /** Lengths around every way in which a token gets its memory. */
  const LENGTHS = [0, 1, 34, 4090, 4096, 5000, 16_000, 65_000, 65_536, 70_000, 300_000, 1_000_000]

  type Taking = (connection: Connection, take: (bytes: Buffer) => void) => void

  const TAKING: Record<string, Taking> = {
    'a listener': (connection, take) => void connection.on('token', take),
    'an iterator': async (connection, take) => {
      for await (const token of connection) take(token)
    },
    'incomingTokens()': async (connection, take) => {
      for await (const token of connection.incomingTokens()) {
        const pieces: Buffer[] = []
        for await (const piece of token) {
          pieces.push(Buffer.from(piece))
          transfer(piece)
        }
        take(Buffer.concat(pieces))
      }
    }
  }

  /** Sends one burst, and afterwards one token after the other. */
  async function transferAll(from: Connection, to: Connection, taking: Taking): Promise<void> {
    const tokens = [...LENGTHS, ...Array(50).fill(40)].map((length, i) => pattern(length, i))
    const singles = LENGTHS.map(length => pattern(length, 100))
    const had: Buffer[] = []
    const taken: Buffer[] = []
    taking(to, token => {
      had.push(Buffer.from(token))
      if (!transfer(token)) taken.push(token)
    })
    for (const token of tokens) expect(from.send(token)).to.equal(true)
    await until(() => had.length === tokens.length)
    for (const token of singles) {
      const before = had.length
      from.send(token)
      await until(() => had.length > before)
    }
    const sent = [...tokens, ...singles]
    expect(had.map(token => token.length)).to.deep.equal(sent.map(token => token.length))
    expect(Buffer.concat(had).equals(Buffer.concat(sent))).to.equal(true)
    // Those that were not transferred are still what they were.
    let next = 0
    for (const token of taken) {
      while (!(had[next] as Buffer).equals(token)) next++
      next++
    }
  }

  for (const protocol of ['token/1', 'token/2'] as const) {
    for (const [name, taking] of Object.entries(TAKING)) {
      for (const receiver of ['client', 'server'] as const) {
        it(`stays with the others when ${name} on a ${receiver} of ${protocol} transfers each token that it gets`, async () => {
          const { server } = await startServer({ protocol })
          const { client, connection } = await connectPair(server, { protocol })
          const ends = [client.connection as Connection, connection] as const
          const [from, to] = receiver === 'server' ? ends : ends.toReversed()
          await transferAll(from as Connection, to as Connection, taking)
        })
      }
    }
  }

  for (const [name, taking] of Object.entries(TAKING)) {
    it(`stays with the others over memory when ${name} transfers each token that it gets`, async () => {
      const { client, server } = await openPair()
      await transferAll(client, server, taking)
    })
  }

  describe('that is detached nevertheless', () => {
    it('gives the next bytes other memory', function () {
      if (!canDetachMarked) this.skip()
      for (const length of [1, 4095, 4096, 65_536]) {
        detach(allocate(length))
        expect(allocate(length)).to.have.length(length)
      }
    })

    it('ends one connection, and another that had no bytes in it goes on', async function () {
      if (!canDetachMarked) this.skip()
      const { server } = await startServer()
      const [one, other] = [await connectPair(server), await connectPair(server)]
      const had: string[] = []
      other.client.on('token', token => void had.push(String(token)))
      one.client.on('token', token => detach(token))
      const closed = (one.client.connection as Connection).closed
      for (const token of ['a', 'b', 'c', 'd']) one.connection.send(Buffer.from(token))
      expect((await closed).code).to.equal('ERR_DETACHED')
      for (const token of ['d', 'e']) other.connection.send(Buffer.from(token))
      await until(() => had.length === 2)
      expect(had).to.deep.equal(['d', 'e'])
    })

    it('tells the peer internal-error, and the session ends', async function () {
      if (!canDetachMarked) this.skip()
      const { server } = await startServer({ session: true })
      const { client, connection } = await connectPair(server, { session: true })
      connection.on('token', token => detach(token))
      const disconnected = once(client, 'disconnect') as Promise<[CloseInfo]>
      for (const token of ['a', 'b', 'c', 'd']) client.send(Buffer.from(token))
      const [{ code }, [{ error }]] = await Promise.all([connection.closed, disconnected])
      expect([code, error?.closeCode]).to.deep.equal(['ERR_DETACHED', 'internal-error'])
    })

    it('is told between any two bytes, however they came: what was handed out is whole and in order, nothing is left out', () => {
      const token = fc.oneof(
        fc.integer({ min: 0, max: 40 }),
        fc.integer({ min: 4000, max: 5000 }),
        fc.integer({ min: 0, max: 70_000 })
      )
      const chunk = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 4000, max: 66_000 }))
      fc.assert(
        fc.property(
          fc.array(token, { minLength: 1, maxLength: 8 }),
          fc.array(chunk, { minLength: 1, maxLength: 6 }),
          fc.nat(),
          fc.array(fc.nat(5), { minLength: 1, maxLength: 20 }),
          (lengths, chunkLengths, victim, steps) => {
            const sent = lengths.map((length, i) => pattern(length, i))
            const chunks = cut(frames(...sent), chunkLengths)
            const had: Buffer[] = []
            const broken: string[] = []
            const receiver = receiverOf(broken)
            let wants = 0
            const claim = receiver.claim({
              holdsOpen: false,
              isBusy: false,
              get isWanting() {
                return wants > 0
              },
              accept: token => {
                wants--
                had.push(Buffer.from(token))
              },
              finish: () => {}
            })
            let pushed = 0
            const push = () => {
              const next = chunks[pushed++]
              if (next === undefined) return
              receiver.push(next)
              receiver.deliver()
            }
            const pull = (more: number) => {
              wants += more
              claim.pull()
            }
            for (const step of steps) {
              if (step < 3) push()
              else pull(step - 2)
            }
            const target = chunks[victim % chunks.length] as Buffer
            const isHere = victim % chunks.length < pushed
            if (isHere) detach(target)
            expect(receiver.heldBytes).to.be.at.least(0)
            while (pushed < chunks.length) push()
            receiver.end()
            pull(Number.POSITIVE_INFINITY)
            expect(
              had.findIndex((token, i) => !token.equals(sent[i] as Buffer)),
              'the first that differs'
            ).to.equal(-1)
            expect(broken).to.deep.equal(had.length === sent.length ? [] : ['ERR_DETACHED'])
            if (!isHere) expect(had).to.have.length(sent.length)
          }
        ),
        { numRuns: 300, ...parameters }
      )
    })

    it('is not told to a session: what had not been handed out comes again by the next transport', () => {
      const had: Buffer[] = []
      const broken: string[] = []
      const receiver = receiverOf(broken)
      const [first, second] = [frames('a', 'b'), ownMemory(frames(pattern(5000), 'd'))]
      for (const chunk of [first, second]) receiver.push(chunk)
      detach(second)
      expect(receiver.restart()).to.equal(2)
      receiver.push(Buffer.from(frames(pattern(5000), 'd')))
      const claim = receiver.claim(taker(had))
      claim.pull()
      expect(had.map(String)).to.deep.equal(['a', 'b', String(pattern(5000)), 'd'])
      expect(broken).to.deep.equal([])
    })

    it('is told of a token that is being joined', () => {
      const piece = ownMemory(pattern(20_000))
      const kept = new JoinedToken(1_000_000)
      kept.add(piece, 100_000, false)
      detach(piece)
      const error = thrownBy(() => {
        kept.add(pattern(100_000), 0, false)
        kept.take()
      })
      expect(error?.code).to.equal('ERR_DETACHED')
    })

    it('is told of a token that is being joined in memory of others', function () {
      if (!canDetachMarked) this.skip()
      const gathered = new JoinedToken(1_000_000)
      gathered.add(pattern(4000), 6000, false)
      detach(gathered.room(6000) as Buffer)
      expect(gathered.room(6000)).to.equal(null)
      expect(
        thrownBy(() => {
          gathered.add(pattern(6000), 0, false)
          gathered.take()
        })?.code
      ).to.equal('ERR_DETACHED')
    })

    it('is told when a control frame in it caused that', () => {
      const chunk = Buffer.concat([frame('a'), Buffer.from('8000000103', 'hex'), frame('b')])
      for (const more of [0, 1, 5]) {
        const memory = ownMemory(chunk.subarray(0, chunk.length - more))
        const demultiplexer = new Demultiplexer({
          onFrame: () => null,
          onData: () => {},
          onControl: () => detach(memory)
        })
        expect(thrownBy(() => demultiplexer.push(memory))?.code, `${more} bytes less`).to.equal(
          'ERR_DETACHED'
        )
      }
    })
  })
})

function ownMemory(bytes: Buffer): Buffer {
  const own = Buffer.allocUnsafeSlow(bytes.length)
  bytes.copy(own)
  return own
}

function cut(bytes: Buffer, lengths: number[]): Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const length = lengths[i % lengths.length] as number
    chunks.push(ownMemory(bytes.subarray(at, at + length)))
    at += length
  }
  return chunks
}

function taker(had: Buffer[]) {
  return {
    holdsOpen: false,
    isBusy: false,
    isWanting: true,
    accept: (token: Buffer) => void had.push(Buffer.from(token)),
    finish: () => {}
  }
}

function receiverOf(broken: string[]): Receiver {
  const receiver = new Receiver(
    1_000_000,
    { hasListeners: false, onToken: () => {} },
    { fail: error => void broken.push(error.code), armClose: () => {} },
    true
  )
  receiver.open()
  return receiver
}

function thrownBy(run: () => unknown): TokenError | undefined {
  try {
    run()
  } catch (error) {
    return error as TokenError
  }
  return undefined
}
