import { expect } from 'chai'
import fc from 'fast-check'
import { FrameReader } from '../../lib/receiving/frame-reader'
import { figures, isLong, numbersFrom } from '../helpers/figures'

const RUNS = isLong ? 1e7 : 2e5
const MAX_TOKEN_LENGTH = 64
/** Small tokens share memory of this length when they are joined. */
const SHARED_LENGTH = 64 * 1024

interface Outcome {
  readonly bytes: string
  readonly count: number
  readonly code: string | null
}

describe('T1 frame decoder under random and mutated bytes', () => {
  const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)

  it(`T1 tells the same tokens or the same error for whole and for split random bytes (${RUNS / 2} runs)`, function () {
    this.timeout(isLong ? 0 : 30_000)
    figures(`seed ${seed}`)
    const smallFrame = fc
      .uint8Array({ maxLength: 12 })
      .map(token => Buffer.from([0, 0, 0, token.length, ...token]))
    const stream = fc
      .array(fc.oneof(smallFrame, fc.uint8Array({ maxLength: 8 })), { maxLength: 6 })
      .map(parts => Buffer.concat(parts))
    const property = fc.property(
      stream,
      fc.array(fc.nat(7), { minLength: 1, maxLength: 5 }),
      (bytes, cuts) => {
        check(bytes, cuts)
      }
    )
    fc.assert(property, { numRuns: RUNS / 2, seed })
  })

  it(`T1 tells the same for whole and for split mutations of valid streams (${RUNS / 2} runs)`, function () {
    this.timeout(isLong ? 0 : 30_000)
    figures(`seed ${seed}`)
    const number = numbersFrom(seed)
    let broken = 0
    let tokens = 0
    for (let run = 0; run < RUNS / 2; run++) {
      const bytes = mutate(validStream(number), number)
      const cuts = [number() % 9, number() % 5, number() % 70]
      const outcome = check(bytes, cuts)
      tokens += outcome.count
      if (outcome.code !== null) broken++
    }
    figures(`${tokens} tokens, ${broken} streams refused`)
    expect(tokens).to.be.greaterThan(0)
    expect(broken).to.be.greaterThan(0)
  })

  function check(bytes: Buffer, cuts: number[]): Outcome {
    const expected = oracle(bytes)
    same(read(bytes, [bytes.length]), expected, bytes, 'whole')
    same(read(bytes, cuts), expected, bytes, `cut at ${cuts}`)
    return expected
  }

  /** An assertion of chai for each run would take most of the time. */
  function same(actual: Outcome, expected: Outcome, bytes: Buffer, how: string): void {
    if (actual.bytes === expected.bytes && actual.count === expected.count && actual.code === expected.code)
      return
    expect(actual, `${bytes.toString('hex')} ${how}`).to.deep.equal(expected)
  }

  /** What the page says, in the fewest words and for whole streams alone. */
  function oracle(bytes: Buffer): Outcome {
    const tokens: string[] = []
    let position = 0
    let code: string | null = null
    while (bytes.length - position >= 4) {
      const length = bytes.readUInt32BE(position)
      if (length > MAX_TOKEN_LENGTH) {
        code = length > 0x7fffffff ? 'ERR_CONTROL_FRAME' : 'ERR_TOKEN_TOO_LARGE'
        break
      }
      if (bytes.length - position - 4 < length) break
      tokens.push(bytes.toString('latin1', position + 4, position + 4 + length))
      position += 4 + length
    }
    return { bytes: tokens.join('|'), count: tokens.length, code }
  }

  /** Chunks whose lengths are those of `cuts`, over and over; 0 is an empty chunk. */
  function read(bytes: Buffer, cuts: number[]): Outcome {
    const reader = new FrameReader(MAX_TOKEN_LENGTH)
    const tokens: string[] = []
    let code: string | null = null
    try {
      for (let position = 0, i = 0; position < bytes.length; i++) {
        // An empty chunk never comes twice: all cuts may be 0.
        const length = Math.max(cuts[i % cuts.length] as number, i % 2)
        const chunk = bytes.subarray(position, position + length)
        reader.push(chunk)
        position += chunk.length
        for (let token = reader.next(); token !== null; token = reader.next()) {
          if (token.buffer !== bytes.buffer && token.buffer.byteLength > SHARED_LENGTH)
            expect.fail(`${token.buffer.byteLength} bytes were taken for a token of ${token.length}`)
          tokens.push(token.toString('latin1'))
        }
      }
    } catch (error) {
      code = (error as { code?: string }).code ?? String(error)
    }
    return { bytes: tokens.join('|'), count: tokens.length, code }
  }

  function validStream(number: () => number): Buffer {
    const frames: Buffer[] = []
    for (let count = 1 + (number() % 4); count > 0; count--) {
      const frame = Buffer.alloc(4 + (number() % (MAX_TOKEN_LENGTH + 1)), number())
      frame.writeUInt32BE(frame.length - 4)
      frames.push(frame)
    }
    return Buffer.concat(frames)
  }

  /** Flips, sets, removes, repeats or swaps at up to three places. */
  function mutate(bytes: Buffer, number: () => number): Buffer {
    let result = bytes
    for (let count = number() % 4; count > 0 && result.length > 0; count--) {
      const at = number() % result.length
      const end = Math.min(result.length, at + 1 + (number() % 8))
      const [before, piece, after] = [result.subarray(0, at), result.subarray(at, end), result.subarray(end)]
      const kind = number() % 4
      if (kind === 0) result[at] = (result[at] as number) ^ (1 << (number() % 8))
      else if (kind === 1) result[at] = [0, 0x7f, 0x80, 0xff][number() % 4] as number
      else if (kind === 2) result = Buffer.concat([before, after])
      else result = Buffer.concat([before, piece, piece, after])
    }
    return result
  }
})
