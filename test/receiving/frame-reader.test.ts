import { expect } from 'chai'
import { TokenError } from '../../lib/errors/token-error'
import { FrameReader } from '../../lib/receiving/frame-reader'
import { bytes, frame, frames, pattern } from '../helpers/bytes'
import { refusal } from '../helpers/refusal'

const MAX = 0x7fff_ffff

/** The tokens in `chunks`, taken after each chunk as a receiver does. */
function read(reader: FrameReader, ...chunks: Buffer[]): Buffer[] {
  const tokens: Buffer[] = []
  for (const chunk of chunks) {
    reader.push(chunk)
    for (let token = reader.next(); token !== null; token = reader.next()) tokens.push(token)
  }
  return tokens
}

/** The sizes that were allocated with Buffer.allocUnsafeSlow while `run` ran. */
function allocationsDuring(run: () => void): number[] {
  const original = Buffer.allocUnsafeSlow
  const sizes: number[] = []
  Buffer.allocUnsafeSlow = size => {
    sizes.push(size)
    return original(size)
  }
  try {
    run()
  } finally {
    Buffer.allocUnsafeSlow = original
  }
  return sizes
}

describe('FrameReader', () => {
  const several = ['hello', '', 'ok', '', '', 'x'.repeat(300)]
  const stream = frames(...several)
  const expected = several.map(text => Buffer.from(text))

  it('says null until something arrives', () => {
    const reader = new FrameReader(MAX)
    expect(reader.next()).to.equal(null)
    expect(reader.isMidFrame).to.equal(false)
    expect(reader.unreadBytes).to.equal(0)
  })

  it('finds all tokens of one chunk', () => {
    expect(read(new FrameReader(MAX), stream)).to.deep.equal(expected)
  })

  it('finds the same tokens byte by byte', () => {
    const single = Array.from(stream, byte => Buffer.of(byte))
    expect(read(new FrameReader(MAX), ...single)).to.deep.equal(expected)
  })

  it('finds the same tokens at every cut into two', () => {
    for (let cut = 0; cut <= stream.length; cut++) {
      const tokens = read(new FrameReader(MAX), stream.subarray(0, cut), stream.subarray(cut))
      expect(tokens, `cut at ${cut}`).to.deep.equal(expected)
    }
  })

  it('finds the same tokens at every cut into three', () => {
    const short = frames('abc', '', 'de')
    for (let first = 0; first <= short.length; first++) {
      for (let second = first; second <= short.length; second++) {
        const chunks = [short.subarray(0, first), short.subarray(first, second), short.subarray(second)]
        const tokens = read(new FrameReader(MAX), ...chunks).map(String)
        expect(tokens, `cuts at ${first} and ${second}`).to.deep.equal(['abc', '', 'de'])
      }
    }
  })

  it('finds the same tokens when all chunks were pushed before the first is taken', () => {
    for (let size = 1; size <= 9; size++) {
      const reader = new FrameReader(MAX)
      for (let at = 0; at < stream.length; at += size) reader.push(stream.subarray(at, at + size))
      expect(read(reader, Buffer.alloc(0)), `chunks of ${size}`).to.deep.equal(expected)
      expect(reader.unreadBytes).to.equal(0)
    }
  })

  it('ignores empty chunks wherever they stand', () => {
    const chunks = Array.from(frames('ab', '', 'c'), byte => [Buffer.alloc(0), Buffer.of(byte)]).flat()
    expect(read(new FrameReader(MAX), ...chunks).map(String)).to.deep.equal(['ab', '', 'c'])
  })

  it('hands out a view of the chunk when the token lies whole in it', () => {
    const chunk = frames('hello', 'world')
    const allocated = allocationsDuring(() => {
      for (const token of read(new FrameReader(MAX), chunk)) expect(token.buffer).to.equal(chunk.buffer)
    })
    expect(allocated).to.deep.equal([])
  })

  it('hands out a view too when only the header stood in the chunk before', () => {
    const chunk = frame('hello')
    const allocated = allocationsDuring(() => {
      const [token] = read(new FrameReader(MAX), chunk.subarray(0, 4), chunk.subarray(4))
      expect(String(token)).to.equal('hello')
      expect(token?.buffer).to.equal(chunk.buffer)
    })
    expect(allocated).to.deep.equal([])
  })

  it('gives a token that spans chunks memory of its own', () => {
    const chunk = frame('hello')
    const [token] = read(new FrameReader(MAX), chunk.subarray(0, 6), chunk.subarray(6))
    chunk.fill(0)
    expect(String(token)).to.equal('hello')
  })

  it('keeps a token that was handed out untouched by the next one', () => {
    const reader = new FrameReader(MAX)
    const one = frame('one')
    const two = frame('two')
    const tokens = read(reader, one.subarray(0, 5), one.subarray(5), two.subarray(0, 5), two.subarray(5))
    expect(tokens.map(String)).to.deep.equal(['one', 'two'])
  })

  describe('counts what it holds', () => {
    it('bytes not yet looked at', () => {
      const reader = new FrameReader(MAX)
      for (const chunk of [frame('ab'), frame('c'), frame('')]) reader.push(chunk)
      expect(reader.unreadBytes).to.equal(15)
      expect(String(reader.next())).to.equal('ab')
      expect(reader.unreadBytes).to.equal(9)
      reader.next()
      expect(reader.unreadBytes).to.equal(4)
      reader.next()
      expect(reader.unreadBytes).to.equal(0)
      expect(reader.next()).to.equal(null)
    })

    it('knows after each byte whether it stands in the middle of a frame', () => {
      const reader = new FrameReader(MAX)
      const states = Array.from(frame('ab'), byte => {
        read(reader, Buffer.of(byte))
        return reader.isMidFrame
      })
      expect(states).to.deep.equal([true, true, true, true, true, false])
    })
  })

  describe('limits', () => {
    const table: { limit: number; hex: string; code: string | null }[] = [
      { limit: 0, hex: '00 00 00 00', code: null },
      { limit: 0, hex: '00 00 00 01', code: 'ERR_TOKEN_TOO_LARGE' },
      { limit: 1, hex: '00 00 00 01', code: null },
      { limit: 1, hex: '00 00 00 02', code: 'ERR_TOKEN_TOO_LARGE' },
      { limit: 8_388_608, hex: '00 80 00 00', code: null },
      { limit: 8_388_608, hex: '00 80 00 01', code: 'ERR_TOKEN_TOO_LARGE' },
      { limit: MAX - 1, hex: '7f ff ff ff', code: 'ERR_TOKEN_TOO_LARGE' },
      { limit: MAX, hex: '7f ff ff ff', code: null },
      { limit: MAX, hex: '80 00 00 00', code: 'ERR_CONTROL_FRAME' },
      { limit: MAX, hex: '80 00 00 01', code: 'ERR_CONTROL_FRAME' },
      { limit: MAX, hex: 'ff ff ff ff', code: 'ERR_CONTROL_FRAME' },
      { limit: 1, hex: 'ff ff ff ff', code: 'ERR_CONTROL_FRAME' }
    ]
    for (const { limit, hex, code } of table) {
      const header = bytes(hex)
      it(`${hex} at limit ${limit} is ${code ?? 'let through'}, and no memory is taken for it`, () => {
        for (const chunks of [[header], Array.from(header, byte => Buffer.of(byte))]) {
          const allocated = allocationsDuring(() => {
            const reader = new FrameReader(limit)
            if (code === null) read(reader, ...chunks)
            else expect(refusal(() => read(reader, ...chunks)).code).to.equal(code)
          })
          expect(allocated).to.deep.equal([])
        }
      })
    }

    it('a token of exactly the limit arrives, at every cut', () => {
      const chunk = frame('12345678')
      for (let cut = 0; cut <= chunk.length; cut++) {
        const tokens = read(new FrameReader(8), chunk.subarray(0, cut), chunk.subarray(cut))
        expect(tokens.map(String)).to.deep.equal(['12345678'])
      }
    })

    it('one byte more is refused at the fourth byte of its header, at every cut', () => {
      const chunk = frame('123456789')
      for (let cut = 0; cut <= chunk.length; cut++) {
        const error = refusal(() => read(new FrameReader(8), chunk.subarray(0, cut), chunk.subarray(cut)))
        expect(error.code).to.equal('ERR_TOKEN_TOO_LARGE')
      }
      const reader = new FrameReader(8)
      expect(read(reader, chunk.subarray(0, 3))).to.deep.equal([])
      expect(() => read(reader, chunk.subarray(3, 4))).to.throw(TokenError)
    })

    it('tokens before the refused one are handed out first', () => {
      const reader = new FrameReader(4)
      reader.push(frames('abcd', 'abcde'))
      expect(String(reader.next())).to.equal('abcd')
      expect(() => reader.next()).to.throw(TokenError)
    })

    it('after a refusal nothing is read any more: each further call refuses again', () => {
      for (const hex of ['00 00 00 05 68 65', 'ff ff ff ff 00 00 00 00']) {
        const reader = new FrameReader(4)
        const first = refusal(() => read(reader, bytes(hex)))
        expect(refusal(() => read(reader, frame('ok'))).code).to.equal(first.code)
        expect(refusal(() => read(reader, frame('ok'))).code).to.equal(first.code)
      }
    })

    it('the message says the length and the limit, and nothing of the bytes', () => {
      const error = refusal(() => read(new FrameReader(8), frame('secret of the house')))
      expect(error.message).to.equal('Cannot receive a token: its length is 19 bytes, maxTokenLength is 8')
    })
  })

  describe('memory follows the bytes that arrived', () => {
    it('a promise of 2 GiB with one byte costs 4 KiB', () => {
      const reader = new FrameReader(MAX)
      const allocated = allocationsDuring(() => read(reader, bytes('7f ff ff ff 61')))
      expect(allocated).to.deep.equal([4096])
    })

    it('it is never more than four times what has come (4 KiB at least), and ends at the length of the token', () => {
      const token = pattern(1_000_003)
      const chunk = frame(token)
      const reader = new FrameReader(MAX)
      let arrived = 0
      let result: Buffer[] = []
      const sizes = allocationsDuring(() => {
        for (let at = 0; at < chunk.length; at += 1000) {
          const piece = chunk.subarray(at, at + 1000)
          arrived += piece.length
          const fresh = allocationsDuring(() => {
            result = result.concat(read(reader, piece))
          })
          for (const size of fresh) expect(size).to.be.at.most(Math.max(4 * arrived, 4096))
        }
      })
      expect(sizes.at(-1)).to.equal(token.length)
      expect(result).to.have.length(1)
      expect(result[0]?.equals(token)).to.equal(true)
    })

    it('a token dribbled byte by byte is joined in few allocations', () => {
      const token = pattern(20_000)
      const reader = new FrameReader(MAX)
      let tokens: Buffer[] = []
      const sizes = allocationsDuring(() => {
        tokens = read(reader, ...Array.from(frame(token), byte => Buffer.of(byte)))
      })
      expect(tokens[0]?.equals(token)).to.equal(true)
      expect(sizes.length).to.be.at.most(3)
    })

    for (const length of [4095, 4096, 4097, 16_383, 16_384, 16_385]) {
      it(`a token of ${length} bytes in two chunks arrives whole, whichever byte is first alone`, () => {
        const token = pattern(length)
        const chunk = frame(token)
        for (const cut of [1, 4, 5, 4096, 4100, length, length + 3]) {
          const [result] = read(new FrameReader(MAX), chunk.subarray(0, cut), chunk.subarray(cut))
          expect(result?.equals(token), `cut at ${cut}`).to.equal(true)
          expect(result?.byteLength).to.equal(length)
        }
      })
    }
  })

  describe('chunks that wait', () => {
    it('are joined while they are small, so that many cost little', () => {
      const reader = new FrameReader(MAX)
      const allocated = allocationsDuring(() => {
        for (let i = 0; i < 40_000; i++) reader.push(bytes('00'))
      })
      expect(allocated).to.deep.equal([16_384, 16_384, 16_384])
      expect(reader.unreadBytes).to.equal(40_000)
      expect(read(reader, Buffer.alloc(0))).to.deep.equal(Array(10_000).fill(Buffer.alloc(0)))
      expect(reader.unreadBytes).to.equal(0)
    })

    it('are kept as they are from 4 KiB on', () => {
      const reader = new FrameReader(MAX)
      const large = frame(pattern(4092))
      const allocated = allocationsDuring(() => {
        reader.push(frame('first'))
        reader.push(large)
      })
      expect(allocated).to.deep.equal([])
      reader.next()
      expect(reader.next()?.buffer).to.equal(large.buffer)
    })

    it('keep their order, however small and large ones follow one another', () => {
      const tokens = [1, 5000, 3, 4092, 0, 4091, 20_000, 7, 7, 16_380, 2].map((length, i) =>
        pattern(length, i)
      )
      const stream = frames(...tokens)
      for (const size of [1000, 4095, 4096, 4097, 5000]) {
        const reader = new FrameReader(MAX)
        const result: Buffer[] = []
        for (let at = 0, i = 0; at < stream.length; i++) {
          const length = i % 3 === 0 ? size : 1 + (i % 50)
          reader.push(stream.subarray(at, at + length))
          at += length
          // Now and then one is taken, so that chunks are joined before and behind what was read.
          const token = i % 7 === 0 ? reader.next() : null
          if (token !== null) result.push(token)
        }
        result.push(...read(reader, Buffer.alloc(0)))
        expect(result.length, `${size}`).to.equal(tokens.length)
        for (const [i, token] of tokens.entries())
          expect(result[i]?.equals(token), `${size}, ${i}`).to.equal(true)
      }
    })

    it('may be changed by nobody: a token handed out before more was joined stays as it was', () => {
      const reader = new FrameReader(MAX)
      for (const text of ['a', 'b', 'c']) reader.push(frame(text))
      const tokens = [reader.next(), reader.next()]
      reader.push(frame('d'))
      tokens.push(reader.next(), reader.next())
      reader.push(frame('e'))
      tokens.push(reader.next())
      expect(tokens.map(String)).to.deep.equal(['a', 'b', 'c', 'd', 'e'])
    })
  })
})
