import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { expect } from 'chai'
import { FakeClock, type MemoryPair, type MemoryPairOptions, memoryPair } from '../../lib/testing'
import { pattern } from '../helpers/bytes'
import { bytesOf, settled } from '../helpers/moments'

/** The chunks that come out of `end`, from now on. */
function chunksOf(end: Duplex): Buffer[] {
  const chunks: Buffer[] = []
  end.on('data', (chunk: Buffer) => chunks.push(chunk))
  return chunks
}

function codesOf(...ends: Duplex[]): unknown[] {
  const codes: unknown[] = []
  for (const end of ends) end.on('error', (error: NodeJS.ErrnoException) => codes.push(error.code))
  return codes
}

/** A pair on a clock of its own. */
function pairAt(options: MemoryPairOptions = {}): MemoryPair & { clock: FakeClock } {
  const clock = new FakeClock()
  return { clock, ...memoryPair({ clock, ...options }) }
}

const sizes = (chunks: Buffer[]) => chunks.map(chunk => chunk.length)

describe('memoryPair', () => {
  it('carries what each end writes to the other, as written', async () => {
    const { a, b, link } = memoryPair()
    const [atA, atB] = [chunksOf(a), chunksOf(b)]
    a.write('hello')
    a.write(', b')
    b.write('hello, a')
    await settled()
    expect(atB.map(String)).to.deep.equal(['hello', ', b'])
    expect(atA.map(String)).to.deep.equal(['hello, a'])
    expect([link.aToB.bytesTaken, link.aToB.bytesPassed, link.bToA.bytesPassed]).to.deep.equal([8, 8, 8])
  })

  it('never hands over in the turn of the write', async () => {
    const { a, b } = memoryPair()
    const atB = chunksOf(b)
    a.write('x')
    await Promise.resolve()
    expect(atB).to.deep.equal([])
    await settled()
    expect(atB).to.have.length(1)
  })

  it('leaves room for timers while two ends answer each other for ever', async () => {
    const { a, b } = memoryPair()
    for (const end of [a, b]) end.on('data', chunk => end.write(chunk))
    a.write('ball')
    // Real time: that a timer of Node comes in between is what is promised.
    await new Promise(resolve => setTimeout(resolve, 5))
    a.destroy()
    b.destroy()
  })

  it('copies what is written: the writer may use its memory again once the write is done', async () => {
    const { a, b, link } = memoryPair()
    link.stall()
    const atB = chunksOf(b)
    const memory = Buffer.from('first')
    await new Promise(resolve => a.write(memory, resolve))
    memory.fill('x')
    link.resume()
    await settled()
    expect(String(atB[0])).to.equal('first')
  })

  it('carries an empty write', async () => {
    const { a, b } = memoryPair()
    const ended = bytesOf(b)
    await new Promise(resolve => a.write('', resolve))
    a.end()
    expect(await ended).to.have.length(0)
  })

  it('lets the sides end one by one, each behind its bytes, and closes both without an error', async () => {
    const { a, b } = memoryPair()
    const codes = codesOf(a, b)
    a.end('question')
    expect(String(await bytesOf(b))).to.equal('question')
    b.end('answer')
    expect(String(await bytesOf(a))).to.equal('answer')
    await settled()
    expect([a.closed, b.closed, codes.length]).to.deep.equal([true, true, 0])
  })
})

describe('a link that chops', () => {
  async function chopped(seed: number, maxBytes: number): Promise<{ chunks: Buffer[]; whole: Buffer }> {
    const { a, b, link } = memoryPair({ seed })
    link.chop(maxBytes)
    const chunks = chunksOf(b)
    for (let i = 0; i < 10; i++) a.write(pattern(1_000, i))
    await settled()
    return { chunks, whole: Buffer.concat(chunks) }
  }
  const expected = Buffer.concat(Array.from({ length: 10 }, (_, i) => pattern(1_000, i)))

  it('keeps every byte in order, in pieces of 1 to the most', async () => {
    const { chunks, whole } = await chopped(1, 7)
    expect(whole.equals(expected)).to.equal(true)
    expect(new Set(sizes(chunks))).to.deep.equal(new Set([1, 2, 3, 4, 5, 6, 7]))
  })

  it('cuts without regard to the writes', async () => {
    const { chunks, whole } = await chopped(1, 3_000)
    expect(whole.equals(expected)).to.equal(true)
    expect(Math.max(...sizes(chunks))).to.be.greaterThan(1_000)
  })

  it('cuts in the same places for the same seed, in others for another', async () => {
    const first = sizes((await chopped(1, 50)).chunks)
    expect(sizes((await chopped(1, 50)).chunks)).to.deep.equal(first)
    expect(sizes((await chopped(2, 50)).chunks)).to.not.deep.equal(first)
  })

  it('cuts each byte off with 1, and nothing with Infinity', async () => {
    expect((await chopped(1, 1)).chunks).to.have.length(10_000)
    expect((await chopped(1, Infinity)).chunks).to.have.length(10)
  })

  it('may do so in one direction only', async () => {
    const { a, b, link } = memoryPair()
    link.aToB.chop(1)
    const [atA, atB] = [chunksOf(a), chunksOf(b)]
    a.write('four')
    b.write('four')
    await settled()
    expect([atA.length, atB.length]).to.deep.equal([1, 4])
  })
})

describe('a link that dribbles', () => {
  it('lets so many bytes pass at a time', async () => {
    const { a, b, link, clock } = pairAt()
    link.dribble(3, 10)
    const chunks = chunksOf(b)
    a.end('ten bytes.')
    await clock.elapse(9)
    expect(sizes(chunks)).to.deep.equal([3])
    await clock.elapse(11)
    expect(sizes(chunks)).to.deep.equal([3, 3, 3])
    await clock.elapse(10)
    expect(String(Buffer.concat(chunks))).to.equal('ten bytes.')
  })

  it('goes on at full speed with Infinity', async () => {
    const { a, b, link, clock } = pairAt()
    link.dribble(1)
    const chunks = chunksOf(b)
    a.write('ten bytes.')
    await clock.elapse(1)
    link.dribble(Infinity)
    await clock.settle()
    expect(sizes(chunks)).to.deep.equal([1, 1, 8])
  })

  it('works with real time', async () => {
    const { a, b, link } = memoryPair()
    link.dribble(1)
    a.end('12345')
    expect(String(await bytesOf(b))).to.equal('12345')
  })
})

describe('a link that delays', () => {
  it('hands over so much later, ends included, and never changes the order', async () => {
    const { a, b, link, clock } = pairAt()
    link.delay(100)
    const chunks = chunksOf(b)
    let hasEnded = false
    b.on('end', () => {
      hasEnded = true
    })
    a.write('slow ')
    await clock.elapse(60)
    link.delay(0)
    a.end('fast')
    await clock.elapse(39)
    expect(chunks).to.deep.equal([])
    await clock.elapse(1)
    expect(chunks.map(String)).to.deep.equal(['slow ', 'fast'])
    expect(hasEnded).to.equal(true)
  })

  it('varies by chance between the delay and the jitter on top of it', async () => {
    const { a, b, link, clock } = pairAt({ seed: 4 })
    link.delay(100, 50)
    const times: number[] = []
    b.on('data', () => times.push(clock.now() % 1_000))
    for (let i = 0; i < 20; i++) {
      a.write('x')
      await clock.elapse(1_000)
    }
    expect(times).to.have.length(20)
    expect(new Set(times).size).to.be.greaterThan(5)
    for (const time of times) expect(time).to.be.within(100, 150)
  })

  it('works with real time', async () => {
    const { a, b, link } = memoryPair()
    link.delay(20)
    const start = performance.now()
    a.end('x')
    await bytesOf(b)
    expect(performance.now() - start).to.be.at.least(19)
  })
})

describe('a link that stalls', () => {
  it('takes as much as it holds, then lets the writer wait, and goes on after resume', async () => {
    const { a, b, link, clock } = pairAt({ highWaterMark: 1_000 })
    link.stall()
    const done: number[] = []
    for (let i = 0; i < 4; i++) a.write(pattern(400, i), () => done.push(i))
    await clock.elapse(3_600_000)
    expect(done).to.deep.equal([0, 1])
    expect([link.aToB.bytesHeld, a.writableNeedDrain, b.readableLength]).to.deep.equal([1_200, false, 0])
    a.write(pattern(400, 4))
    expect(a.writableNeedDrain).to.equal(true)
    const drained = once(a, 'drain')
    const received = bytesOf(b)
    link.resume()
    await drained
    a.end()
    const expected = Buffer.concat(Array.from({ length: 5 }, (_, i) => pattern(400, i)))
    expect((await received).equals(expected)).to.equal(true)
    expect(done).to.deep.equal([0, 1, 2, 3])
  })

  it('is bounded in the same way when the other end does not read', async () => {
    const { a, b, link } = memoryPair({ highWaterMark: 1_000 })
    for (let i = 0; i < 100; i++) a.write(pattern(100))
    await settled()
    expect(b.readableLength).to.equal(0)
    expect(link.aToB.bytesHeld).to.be.within(1_000, 1_100)
    b.once('readable', () => {})
    await settled()
    expect(b.readableLength).to.be.within(1_000, 1_100)
    expect(link.aToB.bytesHeld).to.be.within(1_000, 1_100)
    expect(a.writableLength).to.be.greaterThan(7_000)
  })

  it('holds the end back as well', async () => {
    const { a, b, link } = memoryPair()
    link.aToB.stall()
    chunksOf(b)
    a.end()
    await settled()
    expect(b.readableEnded).to.equal(false)
    link.resume()
    await settled()
    expect(b.readableEnded).to.equal(true)
  })
})

describe('a link that is cut', () => {
  it('fails both ends with ECONNRESET, once, and loses what is on the way', async () => {
    const { a, b, link } = memoryPair()
    const codes = codesOf(a, b)
    const chunks = chunksOf(b)
    link.stall()
    a.write('lost')
    await settled()
    link.cut()
    link.cut()
    link.resume()
    await settled()
    expect(codes).to.deep.equal(['ECONNRESET', 'ECONNRESET'])
    expect([a.closed, b.closed, chunks.length, link.aToB.bytesLost]).to.deep.equal([true, true, 0, 4])
  })

  it('fails a write that waits', async () => {
    const { a, b, link } = memoryPair({ highWaterMark: 10 })
    codesOf(a, b)
    link.stall()
    const failed = new Promise(resolve => a.write(pattern(11), resolve))
    link.cut()
    expect(await failed).to.be.an('error')
  })

  it('tells an end that was destroyed already nothing more', async () => {
    const { a, b, link } = memoryPair()
    const codes = codesOf(a, b)
    a.destroy()
    link.cut()
    await settled()
    expect(codes).to.deep.equal(['ECONNRESET'])
  })
})

describe('a link that is half open', () => {
  it('lets everything vanish for good, and takes all the same', async () => {
    const { a, b, link, clock } = pairAt()
    const codes = codesOf(a, b)
    const chunks = chunksOf(b)
    link.delay(10)
    a.write('on the way')
    await clock.settle()
    link.halfOpen()
    for (let i = 0; i < 10; i++) await new Promise(resolve => a.write(pattern(100_000), resolve))
    a.destroy()
    link.resume()
    await clock.elapse(86_400_000)
    expect([chunks.length, b.readableEnded, b.destroyed, codes.length]).to.deep.equal([0, false, false, 0])
    expect([link.aToB.bytesLost, link.aToB.bytesHeld]).to.deep.equal([1_000_010, 0])
    b.write('is anybody there?')
    await clock.settle()
    expect(codes).to.deep.equal([])
  })

  it('may be so in one direction only', async () => {
    const { a, b, link } = memoryPair()
    link.bToA.halfOpen()
    const [atA, atB] = [chunksOf(a), chunksOf(b)]
    a.write('heard')
    b.write('not heard')
    await settled()
    expect([atA.length, String(atB[0])]).to.deep.equal([0, 'heard'])
  })

  it('lets a write go on that waited', async () => {
    const { a, link } = memoryPair({ highWaterMark: 10 })
    link.stall()
    const done = new Promise(resolve => a.write(pattern(11), resolve))
    link.halfOpen()
    expect(await done).to.be.oneOf([null, undefined])
  })
})

describe('an end that is destroyed', () => {
  it('sends what the link took, cuts the rest, and then an end', async () => {
    const { a, b, link } = memoryPair({ highWaterMark: 100 })
    codesOf(a)
    const received = bytesOf(b)
    link.stall()
    a.write(pattern(70, 1))
    a.write(pattern(70, 2))
    a.write(pattern(70, 3))
    await settled()
    a.destroy()
    link.resume()
    expect((await received).equals(Buffer.concat([pattern(70, 1), pattern(70, 2).subarray(0, 30)]))).to.equal(
      true
    )
    expect(link.aToB.bytesLost).to.equal(40)
    expect(b.destroyed).to.equal(false)
  })

  it('answers what comes later with ECONNRESET', async () => {
    const { a, b } = memoryPair()
    const codes = codesOf(b)
    chunksOf(b)
    a.destroy()
    await settled()
    expect([b.readableEnded, codes.length]).to.deep.equal([true, 0])
    b.write('too late')
    await settled()
    expect(codes).to.deep.equal(['ECONNRESET'])
  })

  it('answers so in either direction, and once however much comes', async () => {
    const { a, b, link } = memoryPair()
    const codes = codesOf(a)
    b.destroy()
    a.write('one')
    a.write('two')
    await settled()
    expect(codes).to.deep.equal(['ECONNRESET'])
    expect([link.aToB.bytesPassed, link.aToB.bytesLost]).to.deep.equal([0, 6])
  })

  it('answers with ECONNRESET when it left bytes unread', async () => {
    const { a, b } = memoryPair()
    const codes = codesOf(b)
    chunksOf(b)
    a.once('readable', () => {})
    b.write('unread')
    await settled()
    expect(a.readableLength).to.equal(6)
    a.destroy()
    await settled()
    expect(codes).to.deep.equal(['ECONNRESET'])
  })

  it('answers with ECONNRESET when bytes were on the way to it', async () => {
    const { a, b, link, clock } = pairAt()
    const codes = codesOf(b)
    chunksOf(b)
    link.delay(10)
    b.write('on the way')
    await clock.elapse(5)
    a.destroy()
    await clock.elapse(5)
    expect(codes).to.deep.equal([])
    await clock.elapse(10)
    expect(codes).to.deep.equal(['ECONNRESET'])
  })
})

describe('the options of a link', () => {
  const { link } = memoryPair()
  for (const [act, message] of [
    [() => link.chop(0), 'maxBytes 0: it must be at least 1'],
    [() => link.chop(NaN), 'maxBytes NaN'],
    [() => link.dribble(0), 'bytes 0'],
    [() => link.dribble(1, 0), 'interval 0'],
    [() => link.delay(-1), 'milliseconds -1'],
    [() => link.delay(1, -1), 'jitter -1']
  ] as const) {
    it(`are refused: ${message}`, () => expect(act).to.throw(RangeError, `Cannot use ${message}`))
  }
})
