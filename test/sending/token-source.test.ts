import { Readable } from 'node:stream'
import { expect } from 'chai'
import fc from 'fast-check'
import { type Part, TokenSource, type TokenSourceOptions } from '../../lib/sending/token-source'
import { MIN_PART_LENGTH, PART_LENGTH } from '../../lib/wire/header'
import { pattern } from '../helpers/bytes'
import { settled } from '../helpers/moments'

const KIB = 1024

/** Gives the chunks, and counts what was asked for; `isReturned` when it was told to stop. */
function counted(chunks: Uint8Array[], end: () => Promise<void> = async () => {}) {
  const seen = { asked: 0, isReturned: false }
  async function* give() {
    try {
      for (const chunk of chunks) {
        seen.asked++
        yield chunk
      }
      await end()
    } finally {
      seen.isReturned = true
    }
  }
  return { seen, source: give() }
}

/** All parts, asked for whenever something has changed. */
async function partsOf(source: TokenSource): Promise<Part[]> {
  const parts: Part[] = []
  for (let tries = 0; tries < 5000 && !source.isVoid; tries++) {
    const part = source.take()
    if (part === null) await settled()
    else parts.push(part)
    if (part?.isLast) break
  }
  return parts
}

function joined(parts: Part[]): Buffer {
  return Buffer.concat(parts.map(({ bytes }) => bytes))
}

async function causeOf(chunks: Uint8Array[], options: TokenSourceOptions): Promise<unknown> {
  const { source } = counted(chunks)
  const token = new TokenSource(source, options)
  await partsOf(token)
  return token.cause
}

describe('TokenSource', () => {
  it('reads nothing before it is asked', async () => {
    const { seen, source } = counted([pattern(5)])
    const token = new TokenSource(source)
    await settled()
    expect(seen.asked).to.equal(0)
    expect(token.take()).to.equal(null)
    await settled()
    expect(seen.asked).to.equal(1)
  })

  it('gives a small token as one part, and an empty one, too', async () => {
    for (const chunks of [[pattern(3), pattern(4, 3)], [Buffer.alloc(0)], []]) {
      const parts = await partsOf(new TokenSource(counted(chunks).source))
      expect(parts.map(({ isLast }) => isLast)).to.deep.equal([true])
      expect(joined(parts)).to.deep.equal(Buffer.concat(chunks))
    }
  })

  it('collects small chunks into parts of at least 16 KiB', async () => {
    const whole = pattern(100 * KIB)
    const chunks = Array.from({ length: 1024 }, (_, i) => whole.subarray(i * 100, (i + 1) * 100))
    const parts = await partsOf(new TokenSource(counted(chunks).source))
    expect(joined(parts).equals(whole)).to.equal(true)
    for (const { bytes, isLast } of parts) expect(isLast || bytes.length >= MIN_PART_LENGTH).to.equal(true)
  })

  it('cuts a huge chunk into parts, and does not copy it', async () => {
    const chunk = pattern(600 * KIB)
    const parts = await partsOf(new TokenSource(counted([chunk]).source))
    expect(parts[0]?.bytes.length).to.equal(PART_LENGTH)
    expect(parts.every(({ bytes }) => bytes.buffer === chunk.buffer || bytes.length === 0)).to.equal(true)
    expect(joined(parts).equals(chunk)).to.equal(true)
  })

  it('reads no more than 64 KiB ahead', async () => {
    const { seen, source } = counted(Array.from({ length: 100 }, (_, i) => pattern(16 * KIB, i)))
    const token = new TokenSource(source)
    token.take()
    await settled()
    expect(seen.asked).to.equal(4)
    expect(token.take()?.bytes.length).to.equal(64 * KIB)
    await settled()
    expect(seen.asked).to.equal(8)
  })

  it('never changes a part that it gave', async () => {
    const chunks = Array.from({ length: 300 }, (_, i) => pattern(1000, i))
    const token = new TokenSource(counted(chunks).source)
    const parts = await partsOf(token)
    expect(joined(parts).equals(Buffer.concat(chunks))).to.equal(true)
  })

  it('gives the same bytes whatever the chunks are', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: 40_000 }), { maxLength: 20 }), async lengths => {
        const chunks = lengths.map((length, i) => pattern(length, i))
        const length = lengths.reduce((sum, next) => sum + next, 0)
        const parts = await partsOf(new TokenSource(counted(chunks).source, { length }))
        expect(joined(parts).equals(Buffer.concat(chunks))).to.equal(true)
        expect(parts.filter(({ isLast }) => isLast)).to.deep.equal(parts.slice(-1))
        for (const { bytes, isLast } of parts) {
          expect(bytes.length).to.be.at.most(PART_LENGTH)
          if (!isLast) expect(bytes.length).to.be.at.least(MIN_PART_LENGTH)
        }
      }),
      { numRuns: 40 }
    )
  })

  describe('whose token is aborted', () => {
    it('becomes void when the stream gives fewer bytes than its length', async () => {
      expect(await causeOf([pattern(9)], { length: 10 })).to.include({ code: 'ERR_OPTION' })
    })

    it('becomes void when the stream gives more bytes than its length, and then it is told to stop', async () => {
      const { source, seen } = counted([pattern(9), pattern(2), pattern(1)])
      const token = new TokenSource(source, { length: 10 })
      await partsOf(token)
      await settled()
      expect(token.cause).to.include({ code: 'ERR_OPTION' })
      expect(seen).to.deep.equal({ asked: 2, isReturned: true })
    })

    it('becomes void when there are more bytes than the peer takes', async () => {
      expect(await causeOf([pattern(5), pattern(6)], { maxLength: () => 10 })).to.include({
        code: 'ERR_TOKEN_TOO_LARGE'
      })
    })

    it('becomes void when a chunk is no bytes', async () => {
      expect(await causeOf(['text' as unknown as Buffer], {})).to.include({ code: 'ERR_TOKEN_TYPE' })
    })

    it('becomes void when the stream fails, with its error as the cause', async () => {
      const failure = new Error('disk')
      const { source } = counted([pattern(5)], () => Promise.reject(failure))
      const token = new TokenSource(source)
      await partsOf(token)
      expect(token.cause).to.equal(failure)
    })

    it('becomes void when a readable fails that was never read, and the process goes on', async () => {
      const readable = new Readable({ read() {} })
      const token = new TokenSource(readable)
      let told = 0
      token.onChange = () => told++
      const failure = new Error('disk')
      readable.destroy(failure)
      await settled()
      expect([token.isVoid, token.cause, told]).to.deep.equal([true, failure, 1])
    })

    it('becomes void by fail(), which destroys a readable and returns an iterator, read or not', async () => {
      for (const isRead of [false, true]) {
        const readable = new Readable({ read() {} })
        const { source, seen } = counted([pattern(70 * KIB), pattern(1)])
        for (const stream of [readable, source]) {
          const token = new TokenSource(stream)
          if (isRead) token.take()
          await settled()
          expect([token.fail('enough'), token.fail('again'), token.cause]).to.deep.equal([
            true,
            false,
            'enough'
          ])
          expect(token.take()).to.equal(null)
          await settled()
        }
        expect(readable.destroyed).to.equal(true)
        expect(seen.isReturned).to.equal(isRead)
        expect((await source.next()).done).to.equal(true)
      }
    })

    it('does not become void any more when its last part was taken', async () => {
      const token = new TokenSource(counted([pattern(5)]).source)
      await partsOf(token)
      expect([token.fail('late'), token.isVoid]).to.deep.equal([false, false])
    })
  })
})
