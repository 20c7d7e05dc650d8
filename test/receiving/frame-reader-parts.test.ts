import { expect } from 'chai'
import fc from 'fast-check'
import { ABORTED, FrameReader, NOTHING, WHOLE } from '../../lib/receiving/frame-reader'
import { pattern } from '../helpers/bytes'
import { aborted, costOfSent, encode, recut, type SentToken, whole } from '../helpers/parts'
import { refusal } from '../helpers/refusal'

// On a failure fast-check prints `{ seed, path }`; SEED=… repeats that run.
const parameters = process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) }

const MAX = 1_000_000

/** Reads tokens in one of the three ways, and notes what came of each, and what it gave back of the credit. */
class Log {
  readonly reader: FrameReader
  readonly tokens: string[] = []
  /** Bytes of the token begun. */
  pieces = ''
  isBegun = false
  freed = 0

  constructor(maxTokenLength = MAX) {
    this.reader = new FrameReader(maxTokenLength, true)
  }

  /** Takes whole tokens, as many as are there or `most`. */
  takeWhole(most = Infinity): void {
    this.isBegun = false
    this.pieces = ''
    for (let i = 0; i < most; i++) {
      const token = this.reader.next()
      if (token !== null) {
        this.tokens.push(token.toString('hex'))
        this.freed += this.reader.cost
      } else if (!this.#passed('dropped')) break
      this.freed += this.reader.takeFreed()
    }
    this.freed += this.reader.takeFreed()
  }

  /** Takes pieces, as many as are there or `most`; a new token is a piece too. */
  takePieces(most = Infinity): void {
    for (let i = 0; i < most; i++) {
      if (!this.isBegun) {
        if (this.reader.begin()) this.isBegun = true
        else if (!this.#passed('dropped')) break
      } else {
        const piece = this.reader.read()
        if (piece !== null) this.pieces += piece.toString('hex')
        if (!this.#passed(this.pieces) && piece === null) break
      }
      this.freed += this.reader.takeFreed()
    }
    this.freed += this.reader.takeFreed()
  }

  /** Drops the token begun. */
  drop(): void {
    if (!this.isBegun) return
    this.isBegun = false
    this.reader.begin()
    this.#passed('dropped')
    this.freed += this.reader.takeFreed()
  }

  #passed(what: string): boolean {
    const passed = this.reader.takePassed()
    if (passed === NOTHING) return false
    this.tokens.push(passed === ABORTED ? 'aborted' : what)
    expect(passed).to.be.oneOf([ABORTED, WHOLE])
    this.pieces = ''
    this.isBegun = false
    return true
  }
}

function outcomeOf(token: SentToken): string {
  return token.isAborted ? 'aborted' : Buffer.concat(token.parts).toString('hex')
}

const sequence = [
  whole('a'),
  whole('bc', 'def', 'g'),
  aborted(),
  whole(''),
  aborted('hij', 'k'),
  whole('lm', ''),
  aborted(),
  aborted('n'),
  whole('opqr')
]
const expected = sequence.map(outcomeOf)
const input = Buffer.concat(sequence.map(encode))
const cost = sequence.reduce((sum, token) => sum + costOfSent(token), 0)

describe('FrameReader, with parts and aborts', () => {
  for (const [how, take] of [
    ['whole', (log: Log) => log.takeWhole()],
    ['in pieces', (log: Log) => log.takePieces()]
  ] as const) {
    it(`finds the same tokens at every cut into two and byte by byte, ${how}, and frees what they cost`, () => {
      for (let cut = 0; cut <= input.length; cut++) {
        const log = new Log()
        for (const chunk of [input.subarray(0, cut), input.subarray(cut)]) {
          log.reader.push(chunk)
          take(log)
        }
        expect(log.tokens, `cut at ${cut}`).to.deep.equal(expected)
        expect(log.freed, `cut at ${cut}`).to.equal(cost)
      }
      const log = new Log()
      for (const byte of input) {
        log.reader.push(Buffer.of(byte))
        take(log)
      }
      expect([log.tokens, log.freed]).to.deep.equal([expected, cost])
    })
  }

  it('finds the same whatever the tokens, the chunks and the ways to take are', () => {
    const part = fc.nat({ max: 40 }).chain(length => fc.uint8Array({ minLength: length, maxLength: length }))
    const token = fc.record({ parts: fc.array(part, { maxLength: 4 }), isAborted: fc.boolean() })
    const step = fc.record({
      chunk: fc.integer({ min: 1, max: 60 }),
      way: fc.constantFrom('whole', 'pieces', 'nothing'),
      most: fc.constantFrom(0, 1, 2, 3, Infinity)
    })
    fc.assert(
      fc.property(
        fc.array(token, { maxLength: 15 }),
        fc.array(step, { minLength: 1, maxLength: 20 }),
        (list, steps) => {
          const tokens = list
            .filter(one => one.isAborted || one.parts.length > 0)
            .map(one => ({ ...one, parts: one.parts.map(bytes => Buffer.from(bytes)) }))
          const bytes = Buffer.concat(tokens.map(encode))
          const log = new Log()
          for (let at = 0, i = 0; at < bytes.length; i++) {
            const { chunk, way, most } = steps[i % steps.length] as (typeof steps)[number]
            log.reader.push(bytes.subarray(at, at + chunk))
            at += chunk
            if (way === 'whole') log.takeWhole(most)
            else if (way === 'pieces') log.takePieces(most)
          }
          log.takePieces()
          const result = log.tokens.map((one, i) =>
            one === 'dropped' ? outcomeOf(tokens[i] as SentToken) : one
          )
          expect(result).to.deep.equal(tokens.map(outcomeOf))
          expect(log.freed).to.equal(tokens.reduce((sum, one) => sum + costOfSent(one), 0))
          expect([log.reader.unreadBytes, log.reader.isMidFrame]).to.deep.equal([0, false])
        }
      ),
      { numRuns: 1000, ...parameters }
    )
  })

  it('drops what is left of a token when the next one is asked for', () => {
    for (let pieces = 1; pieces < 6; pieces++) {
      const log = new Log()
      for (const byte of encode(whole('abc', 'de'))) {
        log.reader.push(Buffer.of(byte))
        log.takePieces(pieces)
        if (log.pieces !== '') log.drop()
      }
      log.reader.push(encode(whole('next')))
      log.takePieces()
      expect(log.tokens.at(-1)).to.equal(Buffer.from('next').toString('hex'))
      expect(log.tokens).to.have.length(2)
    }
  })

  it('gives what was joined for one consumer to the next as its first piece', () => {
    const log = new Log()
    log.reader.push(encode(whole('abc', 'def', 'g')).subarray(0, 14 + 5))
    log.takeWhole()
    expect(log.tokens).to.deep.equal([])
    expect(log.reader.begin()).to.equal(true)
    expect(String(log.reader.read())).to.equal('abc')
  })

  describe('the limit', () => {
    it('bounds the sum of the parts of a token that is joined, at the length of each', () => {
      const log = new Log(8)
      log.reader.push(encode(whole('abcd', 'efgh')))
      log.takeWhole()
      expect(log.tokens).to.have.length(1)
      log.reader.push(encode(whole('abcd', 'efghi')).subarray(0, 18))
      const error = refusal(() => log.takeWhole())
      expect(error.code).to.equal('ERR_TOKEN_TOO_LARGE')
      expect(error.message).to.include('its length is 9 bytes, maxTokenLength is 8')
      expect(refusal(() => log.takeWhole()).code).to.equal('ERR_TOKEN_TOO_LARGE')
    })

    it('does not bound the sum of a token that is read in pieces, nor of one that is dropped', () => {
      const log = new Log(8)
      log.reader.push(encode(whole('abcd', 'efghi')))
      log.takePieces()
      expect(log.tokens).to.deep.equal([Buffer.from('abcdefghi').toString('hex')])
      log.reader.push(encode(whole('abcd', 'efgh', 'ijk')))
      log.takePieces(2)
      log.isBegun = false
      log.takeWhole()
      expect(log.tokens.at(-1)).to.equal('dropped')
    })
  })

  it('takes memory for the parts that arrived, at most four times as much', () => {
    const original = Buffer.allocUnsafeSlow
    const token = pattern(300_000)
    const log = new Log()
    let arrived = 0
    Buffer.allocUnsafeSlow = size => {
      expect(size).to.be.at.most(Math.max(4 * arrived, 16_384))
      return original(size)
    }
    try {
      const bytes = encode(recut(whole(token), 16_384))
      for (let at = 0; at < bytes.length; at += 1000) {
        arrived += Math.min(1000, bytes.length - at)
        log.reader.push(bytes.subarray(at, at + 1000))
        log.takeWhole()
      }
    } finally {
      Buffer.allocUnsafeSlow = original
    }
    expect(log.tokens[0] === token.toString('hex')).to.equal(true)
  })

  describe('cut', () => {
    /** Whole tokens in the first `length` bytes, and what they cost. */
    function wholeIn(length: number): { tokens: number; cost: number } {
      let at = 0
      let tokens = 0
      let sum = 0
      for (const token of sequence) {
        at += encode(token).length
        if (at > length) break
        tokens++
        sum += costOfSent(token)
      }
      return { tokens, cost: sum }
    }

    it('a cut at every byte keeps the whole tokens that wait, and counts them and their cost', () => {
      for (let cut = 0; cut <= input.length; cut++) {
        const log = new Log()
        log.reader.push(input.subarray(0, cut))
        const { tokens, cost } = wholeIn(cut)
        expect(log.reader.waitingCost, `${cut}`).to.equal(cost)
        expect(log.reader.cut(), `${cut}`).to.equal(tokens)
        log.reader.push(Buffer.concat(sequence.slice(tokens).map(encode)))
        log.takeWhole()
        expect(log.tokens, `${cut}`).to.deep.equal(expected)
      }
    })

    it('a cut at every byte, after any number of pieces, lets the same consumer go on, if the token comes again', () => {
      for (const size of [1, 2, 7]) {
        for (let cut = 0; cut <= input.length; cut++) {
          for (const most of [0, 1, 2, 3, 5, 8, 13, Infinity]) {
            const log = new Log()
            log.reader.push(input.subarray(0, cut))
            log.takePieces(most)
            const arrived = log.tokens.length + log.reader.cut()
            expect(arrived).to.equal(wholeIn(cut).tokens)
            const rest = sequence.slice(arrived)
            log.reader.push(Buffer.concat(rest.map(token => encode(recut(token, size)))))
            log.takePieces()
            if (log.tokens.join() !== expected.join())
              expect(log.tokens, `${cut} ${most} ${size}`).to.deep.equal(expected)
          }
        }
      }
    })

    it('a cut at every byte, with ABORT instead of the token that was cut, aborts it for who reads it', () => {
      for (let cut = 0; cut < input.length; cut++) {
        for (const most of [0, 3, Infinity]) {
          const log = new Log()
          log.reader.push(input.subarray(0, cut))
          log.takePieces(most)
          const arrived = log.tokens.length + log.reader.cut()
          const rest = sequence.slice(arrived + 1)
          log.reader.push(Buffer.concat([aborted(), ...rest].map(encode)))
          log.takePieces()
          const same = [...expected.slice(0, arrived), 'aborted', ...expected.slice(arrived + 1)]
          expect(log.tokens, `${cut} ${most}`).to.deep.equal(same)
        }
      }
    })

    it('a cut at every byte of several transports in turn', () => {
      for (let first = 0; first < input.length; first += 3) {
        const log = new Log()
        let arrived = 0
        for (let length = first; arrived < sequence.length; length += 2) {
          const rest = Buffer.concat(sequence.slice(arrived).map(encode))
          log.reader.push(rest.subarray(0, length))
          if (length % 3 > 0) log.takePieces(length % 3 === 1 ? 2 : Infinity)
          arrived = log.tokens.length + log.reader.cut()
        }
        log.takePieces()
        expect(log.tokens, `${first}`).to.deep.equal(expected)
      }
    })

    it('breaks when the token that comes again is shorter than what was read of it', () => {
      const log = new Log()
      log.reader.push(encode(whole('abcdef')).subarray(0, 8))
      log.takePieces()
      log.reader.cut()
      log.reader.push(encode(whole('abc')))
      expect(() => log.takePieces())
        .to.throw(/came again and was shorter/)
        .with.property('code', 'ERR_PROTOCOL')
    })
  })
})
