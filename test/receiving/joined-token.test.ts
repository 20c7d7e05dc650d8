import { expect } from 'chai'
import fc from 'fast-check'
import { FrameReader } from '../../lib/receiving/frame-reader'
import { JoinedToken } from '../../lib/receiving/joined-token'
import { pattern } from '../helpers/bytes'
import { encode, whole } from '../helpers/parts'

// On a failure fast-check prints `{ seed, path }`; SEED=… repeats that run.
const parameters = process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) }

const KIB = 1024
const MAX = 4096 * KIB

/** Joins frames of one token that come in pieces, and looks at the memory that is taken. */
function join(frames: number[], pieceLength: number, readsInPlace: boolean): { token: Buffer; sent: Buffer } {
  const joined = new JoinedToken(MAX)
  const sent = pattern(frames.reduce((sum, length) => sum + length, 0))
  let at = 0
  frames.forEach((frame, index) => {
    const isPart = index < frames.length - 1
    for (let left = frame; left > 0; ) {
      const room = readsInPlace ? joined.room(left) : null
      const length = Math.min(left, pieceLength, room?.length ?? left)
      const bytes = sent.subarray(at, at + length)
      if (room !== null) room.set(bytes)
      at += length
      left -= length
      joined.add(room === null ? Buffer.from(bytes) : room.subarray(0, length), left, isPart)
      expect(joined.length).to.equal(at)
    }
  })
  return { token: joined.take(), sent }
}

describe('JoinedToken', () => {
  it('is the same bytes however they came, in frames and in pieces, copied or read in place', () => {
    const frames = fc.array(
      fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 300 * KIB })),
      {
        minLength: 1,
        maxLength: 6
      }
    )
    const pieceLength = fc.oneof(
      fc.integer({ min: 1000, max: 5000 }),
      fc.constantFrom(16 * KIB, 64 * KIB, MAX)
    )
    fc.assert(
      fc.property(frames, pieceLength, fc.boolean(), (lengths, length, readsInPlace) => {
        const { token, sent } = join(lengths, length, readsInPlace)
        expect(token.equals(sent)).to.equal(true)
      }),
      { numRuns: 200, ...parameters }
    )
  })

  for (const length of [64 * KIB + 1, 256 * KIB, 1024 * KIB, 1500 * KIB]) {
    it(`a token of ${length} bytes in one frame has memory of exactly its length`, () => {
      const { token } = join([length], 16 * KIB, true)
      expect(token.buffer.byteLength).to.equal(length)
    })
  }

  it('tokens of up to 64 KiB share memory of 256 KiB, and have no byte of it in common', () => {
    const sent = [64 * KIB, 4 * KIB, 64 * KIB, 20 * KIB, 64 * KIB, 64 * KIB].map(length =>
      join([length], 3000, false)
    )
    for (const { token, sent: bytes } of sent) expect(token.equals(bytes)).to.equal(true)
    expect(new Set(sent.map(({ token }) => token.buffer.byteLength))).to.deep.equal(new Set([256 * KIB]))
    expect(new Set(sent.map(({ token }) => token.buffer)).size).to.be.below(4)
  })

  it('a token in parts keeps no more than twice its length', () => {
    for (const last of [1, 100 * KIB, 200 * KIB, 256 * KIB]) {
      for (const parts of [1, 2, 3, 4, 5]) {
        const { token } = join([...new Array(parts).fill(256 * KIB), last], 16 * KIB, true)
        expect(token.buffer.byteLength).to.be.at.most(token.length * 2)
      }
    }
  })

  it('one of 1 MiB in parts as they leave is moved once', () => {
    const { token } = join([...new Array(4).fill(256 * KIB - 9), 36], 16 * KIB, false)
    expect(token.buffer.byteLength).to.equal(1024 * KIB)
  })
})

describe('FrameReader.memory', () => {
  /** What Node does with `onread`: records are copied into the memory that is offered, or into one of its own. */
  function readRecords(stream: Buffer, recordLength: number): { tokens: Buffer[]; inPlace: number } {
    const reader = new FrameReader(MAX, true)
    const tokens: Buffer[] = []
    let inPlace = 0
    for (let at = 0; at < stream.length; ) {
      const end = Math.min(stream.length, at + recordLength)
      while (at < end) {
        const memory = reader.memory
        const into = memory ?? Buffer.alloc(end - at)
        const length = Math.min(into.length, end - at)
        stream.copy(into, 0, at, at + length)
        if (memory !== null) inPlace += length
        at += length
        reader.push(into.subarray(0, length))
        for (let token = reader.next(); token !== null; token = reader.next()) tokens.push(token)
      }
    }
    return { tokens, inPlace }
  }

  it('tokens at the bounds of records and of memory, in any order, arrive as they were sent', () => {
    const around = [4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB].flatMap(length =>
      [-8, -5, -4, -1, 0, 1, 4, 8].map(difference => length + difference)
    )
    const lengths = fc.array(fc.oneof(fc.constantFrom(...around), fc.integer({ min: 0, max: 400 })), {
      minLength: 1,
      maxLength: 8
    })
    fc.assert(
      fc.property(lengths, fc.constantFrom(16 * KIB, 16 * KIB - 8, 1000, 5), (sizes, recordLength) => {
        const sent = sizes.map(pattern)
        const stream = Buffer.concat(sent.map(token => encode(whole(token))))
        const { tokens } = readRecords(stream, recordLength)
        expect(tokens.map(token => token.toString('hex'))).to.deep.equal(
          sent.map(token => token.toString('hex'))
        )
      }),
      { numRuns: 60, ...parameters }
    )
  })

  it('is used for all of a large token but its first quarter', () => {
    const { inPlace } = readRecords(encode(whole(pattern(1024 * KIB))), 16 * KIB)
    expect(inPlace).to.be.at.least(750 * KIB)
  })

  it('is none while bytes wait, while a token is read in pieces, and between two tokens', () => {
    const reader = new FrameReader(MAX)
    expect(reader.memory, 'between').to.equal(null)
    reader.push(Buffer.from('00010000', 'hex'))
    reader.push(pattern(40_000))
    expect(reader.memory, 'bytes wait').to.equal(null)
    expect(reader.next()).to.equal(null)
    expect(reader.memory?.length).to.equal(65_536 - 40_000)
    reader.begin()
    expect(reader.memory, 'in pieces').to.equal(null)
  })
})
