import { expect } from 'chai'
import fc from 'fast-check'
import { FragmentRules } from '../../lib/protocol/fragment-rules'
import { ABORTED, FrameReader, NOTHING } from '../../lib/receiving/frame-reader'
import { JoinedToken } from '../../lib/receiving/joined-token'
import { decodeControl, encodeControl } from '../../lib/wire/control-frame'
import { Demultiplexer } from '../../lib/wire/demultiplexer'
import { MIN_PART_LENGTH, TYPE_PART, TYPE_REQUEST } from '../../lib/wire/header'
import { figures, isLong, numbersFrom } from '../helpers/figures'

const RUNS = isLong ? 1e7 : 2e5
const MAX_TOKEN_LENGTH = 64
/** Small tokens share memory of this length when they are joined. */
const SHARED_LENGTH = 64 * 1024
const PART_BYTES = Buffer.alloc(MIN_PART_LENGTH, 'part ')

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

  it(`T1 tells the same for whole and for split mutations of token/2's frames, with parts, requests and answers (${RUNS / 10} runs)`, function () {
    this.timeout(isLong ? 0 : 60_000)
    figures(`seed ${seed}`)
    const number = numbersFrom(seed)
    const seen: Record<string, number> = {}
    for (let run = 0; run < RUNS / 10; run++) {
      const bytes = mutate(validFrames(number), number)
      const whole = readFrames(bytes, [bytes.length])
      const cuts = [number() % 9, number() % 5, number() % 70]
      same(readFrames(bytes, cuts), whole, bytes, `cut at ${cuts}`)
      for (const line of [...whole.bytes.split('|'), String(whole.code)]) {
        const kind = line.split(' ')[0] as string
        seen[kind] = (seen[kind] ?? 0) + 1
      }
    }
    figures(JSON.stringify(seen))
    expect(seen).to.include.keys('token', 'request', 'answer', 'control', 'aborted', 'null', 'ERR_PROTOCOL')
  })

  function validFrames(number: () => number): Buffer {
    const small = () => {
      const frame = Buffer.alloc(4 + (number() % 20), number())
      frame.writeUInt32BE(frame.length - 4)
      return frame
    }
    const part = () => Buffer.concat([encodeControl({ type: 'part' }), header(MIN_PART_LENGTH), PART_BYTES])
    const answer = () => Buffer.concat([encodeControl({ type: 'answer', to: number() % 3 }), small()])
    const kinds = [
      small,
      small,
      () => encodeControl({ type: 'ping', opaque: Buffer.alloc(8, number()) }),
      answer,
      () => Buffer.concat([encodeControl({ type: 'request' }), small()]),
      () => encodeControl({ type: 'failed', to: 1, code: number() % 4, reason: 'x' }),
      () => encodeControl({ type: 'abort' }),
      () => encodeControl({ type: 'answered', count: number() % 3 })
    ]
    const frames: Buffer[] = []
    for (let count = 1 + (number() % 5); count > 0; count--)
      frames.push((kinds[number() % kinds.length] as () => Buffer)())
    // Few, for they are long.
    if (number() % 50 === 0)
      frames.push(
        encodeControl({ type: 'request' }),
        part(),
        answer(),
        number() % 2 === 0 ? part() : small(),
        small()
      )
    return Buffer.concat(frames)
  }

  function header(length: number): Buffer {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(length)
    return bytes
  }

  /** What token/2 makes of the bytes: tokens, requests, answers and control frames, in the order of their kind. */
  function readFrames(bytes: Buffer, cuts: number[]): Outcome {
    const rules = new FragmentRules(MIN_PART_LENGTH, 3 * MIN_PART_LENGTH)
    const reader = new FrameReader(3 * MIN_PART_LENGTH, true)
    const joined = new JoinedToken(MIN_PART_LENGTH)
    const lines: string[] = []
    const tokens: string[] = []
    const demultiplexer = new Demultiplexer({
      get isAnswer() {
        return isAnswer
      },
      onFrame: length => {
        isAnswer = rules.isAnswer
        return isAnswer ? rules.answerData(length) : rules.data(length)
      },
      onMark: type => {
        if (type === TYPE_REQUEST) return rules.request()
        return type === TYPE_PART ? rules.part() : rules.abort()
      },
      onData: run => reader.push(run),
      onAnswer: (run, left) => {
        joined.add(run, left, false)
        if (left === 0) lines.push(`answer ${joined.take().toString('hex')}`)
      },
      onControl: body => {
        const frame = decodeControl(body)
        const fault = rules.control(frame?.type.toUpperCase() ?? 'a frame')
        if (fault !== null) throw fault
        lines.push(`control ${JSON.stringify(frame)}`)
        if (frame?.type === 'answer') rules.answer()
      }
    })
    let isAnswer = false
    let code: string | null = null
    try {
      for (let position = 0, i = 0; position < bytes.length; i++) {
        const length = Math.max(cuts[i % cuts.length] as number, i % 2)
        demultiplexer.push(bytes.subarray(position, position + length))
        position += length
      }
    } catch (error) {
      code = (error as { code?: string }).code ?? String(error)
    }
    for (;;) {
      const token = reader.next()
      const passed = reader.takePassed()
      if (token !== null) tokens.push(`${reader.isRequest ? 'request' : 'token'} ${token.toString('hex')}`)
      else if (passed !== NOTHING) tokens.push(passed === ABORTED ? 'aborted' : 'whole')
      else break
    }
    return { bytes: [...lines, ...tokens].join('|'), count: tokens.length, code }
  }

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
