import { expect } from 'chai'
import { bytes, drain, frame, frames, pattern } from '../helpers/bytes'
import { QueuedWriter } from '../helpers/queued-writer'

const KIB = 1024
const SLAB = 64 * KIB
const RECORD = 16 * KIB
const PIECE = 256 * KIB

function write(...tokens: Uint8Array[]): Uint8Array[] {
  const writer = new QueuedWriter()
  for (const token of tokens) writer.push(token)
  return drain(writer)
}

function around(center: number): number[] {
  return Array.from({ length: 17 }, (_, i) => center - 8 + i)
}

/** Checked by `equals`: chai would print megabytes. */
function expectBytes(chunks: Uint8Array[], ...tokens: Uint8Array[]): void {
  expect(Buffer.concat(chunks).equals(frames(...tokens))).to.equal(true)
}

describe('FrameWriter', () => {
  it('has nothing to write at first', () => {
    const writer = new QueuedWriter()
    expect(writer.next()).to.equal(null)
    expect([writer.queuedBytes, writer.queuedTokens]).to.deep.equal([0, 0])
  })

  it('puts the length before the bytes', () => {
    expect(write(Buffer.from('hello'))).to.deep.equal([bytes('00 00 00 05 68 65 6c 6c 6f')])
  })

  it('writes an empty token as four zeros', () => {
    expect(write(Buffer.alloc(0), Buffer.alloc(0))).to.deep.equal([bytes('00 00 00 00 00 00 00 00')])
  })

  it('takes a Uint8Array that is no Buffer, and a view into a larger memory', () => {
    const memory = pattern(100)
    const view = new Uint8Array(memory.buffer, memory.byteOffset + 10, 5)
    expectBytes(write(view), view)
    const large = new Uint8Array(pattern(200 * KIB))
    expectBytes(write(large), large)
  })

  it('joins small tokens into one chunk', () => {
    const tokens = Array.from({ length: 1000 }, (_, i) => pattern(i % 50, i))
    const chunks = write(...tokens)
    expect(chunks).to.have.length(1)
    expectBytes(chunks, ...tokens)
  })

  it('counts bytes and tokens down as chunks leave, a token with its last byte', () => {
    const writer = new QueuedWriter()
    writer.push(pattern(10))
    writer.push(pattern(100 * KIB))
    writer.push(pattern(5))
    expect([writer.queuedBytes, writer.queuedTokens]).to.deep.equal([100 * KIB + 27, 3])
    expect(writer.next()?.byteLength).to.equal(RECORD)
    expect([writer.queuedBytes, writer.queuedTokens]).to.deep.equal([100 * KIB + 27 - RECORD, 2])
    expect(writer.next()?.byteLength).to.equal(100 * KIB + 18 - RECORD)
    expect([writer.queuedBytes, writer.queuedTokens]).to.deep.equal([9, 1])
    expect(writer.next()?.byteLength).to.equal(9)
    expect([writer.queuedBytes, writer.queuedTokens]).to.deep.equal([0, 0])
    expect(writer.next()).to.equal(null)
  })

  it('splits a token of 1 MiB into four parts, and leaves no few bytes for a fifth', () => {
    const writer = new QueuedWriter()
    writer.splits = true
    const token = pattern(1024 * KIB)
    writer.push(token)
    const part = PIECE - 9
    const parts = [0, 1, 2].flatMap(i => [
      bytes('80 00 00 01 85'),
      frame(token.subarray(i * part, (i + 1) * part))
    ])
    const chunks = drain(writer)
    expect(Buffer.concat(chunks).equals(Buffer.concat([...parts, frame(token.subarray(3 * part))]))).to.equal(
      true
    )
    expect(chunks.map(({ length }) => length)).to.deep.equal([
      ...[0, 1, 2].flatMap(() => [RECORD, PIECE - RECORD]),
      RECORD,
      1024 * KIB - 3 * part + 4 - RECORD
    ])
  })

  it('takes tokens between two chunks, also in the middle of a large one', () => {
    const writer = new QueuedWriter()
    const tokens = [pattern(700 * KIB, 1), pattern(3, 2), pattern(70 * KIB, 3), Buffer.alloc(0)]
    const chunks: Uint8Array[] = []
    for (const token of tokens) {
      writer.push(token)
      chunks.push(writer.next() as Uint8Array)
    }
    expectBytes([...chunks, ...drain(writer)], ...tokens)
  })

  it('copies a small token only when its turn comes', () => {
    const writer = new QueuedWriter()
    const token = Buffer.from('before')
    writer.push(token)
    token.write('after!')
    expect(writer.next()).to.deep.equal(frame('after!'))
  })

  it('does not copy the body of a large token, whose pieces have at most 256 KiB', () => {
    const token = pattern(1000 * KIB)
    const chunks = write(token)
    expectBytes(chunks, token)
    const pieces = chunks.filter(chunk => chunk.buffer === token.buffer)
    expect(pieces.map(piece => piece.byteLength)).to.deep.equal([
      PIECE,
      PIECE,
      PIECE,
      1000 * KIB + 4 - RECORD - 3 * PIECE
    ])
    expect(chunks[0]?.byteLength).to.equal(RECORD)
  })

  describe('at the borders of slab, record and piece', () => {
    for (const [name, center] of [
      ['16 KiB', 16 * KIB],
      ['64 KiB', SLAB],
      ['128 KiB', 2 * SLAB],
      ['256 KiB', PIECE],
      ['64 + 256 KiB', SLAB + PIECE],
      ['16 + 64 KiB, where the middle is not copied', RECORD + SLAB],
      ['16 + 256 KiB', RECORD + PIECE]
    ] as const) {
      it(`a token of ${name} ± 8 bytes, alone and between small ones`, () => {
        for (const length of around(center)) {
          const token = pattern(length, length)
          expectBytes(write(token), token)
          const mixed = [Buffer.from('a'), token, Buffer.alloc(0), Buffer.from('z')]
          const chunks = write(...mixed)
          expectBytes(chunks, ...mixed)
          for (const chunk of chunks) {
            expect(chunk.byteLength).to.be.within(1, chunk.buffer === token.buffer ? PIECE : SLAB)
          }
        }
      })
    }

    it('a frame that leaves 0 to 8 bytes of the slab, before an empty, a small and a large token', () => {
      for (let left = 0; left <= 8; left++) {
        const first = pattern(SLAB - 4 - left, left)
        for (const second of [
          Buffer.alloc(0),
          pattern(9),
          pattern(SLAB - 4),
          pattern(SLAB),
          pattern(SLAB + 1)
        ]) {
          const chunks = write(first, second)
          expectBytes(chunks, first, second)
          // Also a header is cut, so that no TLS record leaves half full.
          expect(chunks[0]?.byteLength).to.equal(Math.min(SLAB, SLAB - left + 4 + second.length))
        }
      }
    })

    it('a header as the last bytes of the slab, before a body that needs no copy', () => {
      const large = pattern(SLAB + 7)
      const chunks = write(pattern(SLAB - 8), large)
      expect(chunks.map(chunk => chunk.byteLength)).to.deep.equal([SLAB, SLAB + 7])
      expect(chunks[1]?.buffer).to.equal(large.buffer)
    })
  })

  describe('a long queue', () => {
    it('keeps its order when consumed places are moved together', () => {
      const writer = new QueuedWriter()
      const tokens = Array.from({ length: 20_000 }, (_, i) => pattern(i % 97, i))
      const chunks: Uint8Array[] = []
      tokens.forEach((token, i) => {
        writer.push(token)
        if (i > 4000 && i % 300 === 0) chunks.push(writer.next() as Uint8Array)
      })
      expectBytes([...chunks, ...drain(writer)], ...tokens)
    })

    for (const head of [1023, 1024, 1025, 1026, 2048, 2050]) {
      it(`loses nothing when ${head} places are consumed and ${head - 1} remain`, () => {
        const writer = new QueuedWriter()
        // Each frame fills one slab, so that each call consumes one place.
        const filler = pattern(SLAB - 4)
        for (let i = 0; i < head; i++) writer.push(filler)
        for (let i = 1; i < head; i++) writer.push(Buffer.of(i & 0xff))
        for (let i = 0; i < head; i++) expect(writer.next()?.byteLength).to.equal(SLAB)
        expect(writer.queuedTokens).to.equal(head - 1)
        const tail = Array.from({ length: head - 1 }, (_, i) => Buffer.of((i + 1) & 0xff))
        expectBytes(drain(writer), ...tail)
        expect(writer.queuedTokens).to.equal(0)
      })
    }
  })

  describe('control frames', () => {
    /** A writer, and what may be said between its tokens. */
    function withControl() {
      const said: Buffer[] = []
      return { said, writer: new QueuedWriter(() => said.shift() ?? null) }
    }

    it('go out alone, and before small tokens in the same chunk', () => {
      const { said, writer } = withControl()
      said.push(Buffer.from('one'))
      expect(writer.next()?.toString()).to.equal('one')
      expect(writer.next()).to.equal(null)
      said.push(Buffer.from('two'))
      writer.push(Buffer.from('a'))
      writer.push(Buffer.from('b'))
      expect(writer.next()).to.deep.equal(Buffer.concat([Buffer.from('two'), frames('a', 'b')]))
    })

    it('never stand inside a token, whatever its length', () => {
      for (const length of [0, 1, SLAB - 4, SLAB, 3 * SLAB, PIECE, 3 * PIECE + 1]) {
        const { said, writer } = withControl()
        const token = pattern(length)
        said.push(Buffer.from('before'))
        writer.push(token)
        writer.push(token)
        const chunks: Uint8Array[] = []
        for (let chunk = writer.next(); chunk !== null; chunk = writer.next()) {
          chunks.push(chunk)
          if (chunks.length < 20) said.push(Buffer.from('!'))
          expect(chunks.length).to.be.below(200)
        }
        const all = Buffer.concat(chunks)
        const body = frame(token)
        const first = all.subarray(6, 6 + body.length)
        expect(all.subarray(0, 6).toString()).to.equal('before')
        expect(first.equals(body), `${length}`).to.equal(true)
        let at = 6 + body.length
        while (all[at] === 0x21) at++
        expect(all.subarray(at, at + body.length).equals(body), `${length}`).to.equal(true)
      }
    })

    it('are asked for once a chunk, and not at all in the middle of a token', () => {
      let asked = 0
      const writer = new QueuedWriter(() => {
        asked++
        return null
      })
      writer.push(pattern(3 * PIECE))
      const states: [boolean, number][] = []
      for (let chunk = writer.next(); chunk !== null; chunk = writer.next())
        states.push([writer.isMidFrame, asked])
      expect(states.at(-1)).to.deep.equal([false, 1])
      expect(states.slice(0, -1).every(([isMidFrame]) => isMidFrame)).to.equal(true)
      expect(asked).to.equal(2)
    })
  })

  describe('credit', () => {
    it('lets a token start while it is above zero, and go to its end', () => {
      const writer = new QueuedWriter()
      writer.credit = 1
      writer.push(pattern(1000))
      writer.push(pattern(0))
      expectBytes(drain(writer), pattern(1000))
      expect([writer.credit, writer.queuedTokens]).to.deep.equal([1 - 1004, 1])
    })

    it('is used up by 4 bytes and the length of each token', () => {
      const writer = new QueuedWriter()
      writer.credit = 8
      for (const length of [3, 4, 0]) writer.push(pattern(length))
      expectBytes(drain(writer), pattern(3), pattern(4))
      expect(writer.credit).to.equal(-7)
      writer.credit += 7
      expect(writer.next()).to.equal(null)
      writer.credit += 8
      expectBytes(drain(writer), pattern(0))
      expect(writer.credit).to.equal(4)
    })

    it('is no matter of control frames', () => {
      const said = [Buffer.from('control')]
      const writer = new QueuedWriter(() => said.shift() ?? null)
      writer.credit = 0
      writer.push(pattern(5))
      expect(writer.next()?.toString()).to.equal('control')
      expect([writer.credit, writer.next()]).to.deep.equal([0, null])
    })
  })

  describe('what waits', () => {
    it('can be taken back from the end on, and the bytes are those of the rest', () => {
      const writer = new QueuedWriter()
      for (const text of ['a', 'bb', 'ccc']) writer.push(Buffer.from(text))
      expect(writer.queue.withdraw(4)).to.equal(false)
      expect(writer.queue.withdraw(2)).to.equal(true)
      expect([writer.queuedBytes, writer.queuedTokens]).to.deep.equal([12, 2])
      expectBytes(drain(writer), Buffer.from('a'), Buffer.from('ccc'))
    })

    it('can not be taken back once a byte of it is out', () => {
      const writer = new QueuedWriter()
      writer.push(pattern(2 * PIECE))
      writer.push(pattern(1))
      writer.next()
      expect(writer.isMidFrame).to.equal(true)
      expect([writer.queue.withdraw(1), writer.queue.withdraw(2)]).to.deep.equal([false, true])
      const rest = drain(writer)
      expect(Buffer.concat(rest).length).to.be.below(2 * PIECE + 4)
      expect([writer.queuedBytes, writer.queuedTokens]).to.deep.equal([0, 0])
    })

    it('can be dropped from the oldest on, but for the one begun', () => {
      const writer = new QueuedWriter()
      writer.push(pattern(2 * PIECE))
      for (const text of ['a', 'b', 'c']) writer.push(Buffer.from(text))
      const chunks = [writer.next() as Uint8Array]
      expect(
        writer.queue.takeOut(
          () => true,
          2,
          () => {}
        ).length
      ).to.equal(2)
      expectBytes([...chunks, ...drain(writer)], pattern(2 * PIECE), Buffer.from('c'))
      expect(
        writer.queue.takeOut(
          () => true,
          1,
          () => {}
        ).length
      ).to.equal(0)
    })

    it('is handed back when it is given up', () => {
      const writer = new QueuedWriter()
      for (const text of ['a', 'b']) writer.push(Buffer.from(text))
      writer.queue.abandon()
      expect(writer.queue.notHad(null).map(({ token }) => String(token))).to.deep.equal(['a', 'b'])
      expect([writer.queuedBytes, writer.queuedTokens, writer.next()]).to.deep.equal([0, 0, null])
    })
  })
})
