import { once } from 'node:events'
import { expect } from 'chai'
import fc from 'fast-check'
import { Connection } from '../../lib/connection/connection'
import { FrameReader } from '../../lib/receiving/frame-reader'
import { drain, frames } from '../helpers/bytes'
import { destroyPairs, memoryPair } from '../helpers/pairs'
import { QueuedWriter } from '../helpers/queued-writer'

// On a failure fast-check prints `{ seed, path }`; SEED=… repeats that run.
const parameters = (numRuns: number) => {
  const seed = process.env.SEED
  return seed === undefined ? { numRuns } : { numRuns, seed: Number(seed) }
}

const token = fc.oneof(
  { weight: 8, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  { weight: 1, arbitrary: fc.nat({ max: 5000 }).map(length => new Uint8Array(length).fill(length)) },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 65_500, max: 65_600 }).map(length => new Uint8Array(length).fill(length))
  }
)
const tokens = fc.array(token, { maxLength: 30 })
const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 20_000 })), {
  minLength: 1
})

/** Cuts into pieces of the sizes in turn. */
function chop(bytes: Buffer, pieceSizes: number[]): Buffer[] {
  const pieces: Buffer[] = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = pieceSizes[i % pieceSizes.length] as number
    pieces.push(bytes.subarray(at, at + size))
    at += size
  }
  return pieces
}

function same(received: Uint8Array[], sent: Uint8Array[]): void {
  expect(received.length).to.equal(sent.length)
  received.forEach((bytes, i) => {
    if (Buffer.compare(bytes, sent[i] as Uint8Array) !== 0) throw new Error(`token ${i} differs`)
  })
}

describe('properties', () => {
  afterEach(destroyPairs)

  it('what the writer writes is each token behind its length', () => {
    fc.assert(
      fc.property(tokens, sent => {
        const writer = new QueuedWriter()
        for (const bytes of sent) writer.push(bytes)
        expect(Buffer.concat(drain(writer)).equals(frames(...sent))).to.equal(true)
        expect([writer.queuedBytes, writer.queuedTokens]).to.deep.equal([0, 0])
      }),
      parameters(200)
    )
  })

  it('pushing between two chunks changes nothing in the stream', () => {
    fc.assert(
      fc.property(tokens, fc.array(fc.boolean(), { minLength: 1, maxLength: 30 }), (sent, takes) => {
        const writer = new QueuedWriter()
        const chunks: Uint8Array[] = []
        sent.forEach((bytes, i) => {
          writer.push(bytes)
          const chunk = takes[i % takes.length] ? writer.next() : null
          if (chunk !== null) chunks.push(chunk)
        })
        expect(Buffer.concat([...chunks, ...drain(writer)]).equals(frames(...sent))).to.equal(true)
      }),
      parameters(200)
    )
  })

  it('any tokens under any chopping arrive equal', () => {
    fc.assert(
      fc.property(tokens, sizes, (sent, pieceSizes) => {
        const reader = new FrameReader(100_000)
        const received: Buffer[] = []
        for (const piece of chop(frames(...sent), pieceSizes)) {
          reader.push(piece)
          for (let next = reader.next(); next !== null; next = reader.next()) received.push(next)
        }
        same(received, sent)
        expect([reader.isMidFrame, reader.unreadBytes]).to.deep.equal([false, 0])
      }),
      parameters(300)
    )
  })

  it('when the tokens are taken makes no difference', () => {
    fc.assert(
      fc.property(
        tokens,
        sizes,
        fc.array(fc.nat({ max: 3 }), { minLength: 1 }),
        (sent, pieceSizes, takes) => {
          const reader = new FrameReader(100_000)
          const received: Buffer[] = []
          chop(frames(...sent), pieceSizes).forEach((piece, i) => {
            reader.push(piece)
            for (let take = takes[i % takes.length] as number; take > 0; take--) {
              const next = reader.next()
              if (next === null) break
              received.push(next)
            }
          })
          for (let next = reader.next(); next !== null; next = reader.next()) received.push(next)
          same(received, sent)
        }
      ),
      parameters(300)
    )
  })

  it('any bytes at all are tokens within the limit, or one of two errors, and the same under any chopping', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 64 }),
        sizes,
        fc.nat({ max: 300 }),
        (bytes, pieceSizes, limit) => {
          const outcome = (pieces: Buffer[]): string => {
            const reader = new FrameReader(limit)
            const log: string[] = []
            try {
              for (const piece of pieces) {
                reader.push(piece)
                for (let next = reader.next(); next !== null; next = reader.next()) {
                  if (next.length > limit) throw new Error('over the limit')
                  log.push(next.toString('hex'))
                }
              }
            } catch (error) {
              const { code } = error as { code?: string }
              if (code !== 'ERR_TOKEN_TOO_LARGE' && code !== 'ERR_CONTROL_FRAME') throw error
              return [...log, code].join()
            }
            return [...log, reader.isMidFrame].join()
          }
          const whole = Buffer.from(bytes)
          expect(outcome(chop(whole, pieceSizes))).to.equal(outcome([whole]))
        }
      ),
      parameters(500)
    )
  })

  it('a connection hands out what was written to it, chopped or not, and answers all', async () => {
    await fc.assert(
      fc.asyncProperty(tokens, sizes, async (sent, pieceSizes) => {
        const [socket, peer] = memoryPair()
        const connection = new Connection(socket)
        const received: Buffer[] = []
        const answers: Buffer[] = []
        connection.on('token', bytes => {
          received.push(bytes)
          connection.send(bytes)
        })
        peer.on('data', (chunk: Buffer) => answers.push(chunk))
        for (const piece of chop(frames(...sent), pieceSizes)) {
          if (!peer.write(piece)) await once(peer, 'drain')
        }
        peer.end()
        expect((await connection.closed).code).to.equal('normal')
        same(received, sent)
        expect(Buffer.concat(answers).equals(frames(...sent))).to.equal(true)
      }),
      parameters(40)
    )
  })
})
