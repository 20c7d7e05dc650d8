import { expect } from 'chai'
import fc from 'fast-check'
import { TokenError } from '../../lib/errors/token-error'
import { FrameReader } from '../../lib/receiving/frame-reader'
import { decodeControl, decodeCount, encodeControl, isAck, isAnswerFrame } from '../../lib/wire/control-frame'
import { Demultiplexer, type DemultiplexerEvents } from '../../lib/wire/demultiplexer'
import { TYPE_ABORT } from '../../lib/wire/header'
import { bytes, frame, frames, pattern } from '../helpers/bytes'

// On a failure fast-check prints `{ seed, path }`; SEED=… repeats that run.
const parameters = process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) }

/** A control frame whose n bytes are `body`. */
function control(body: Buffer | string): Buffer {
  const bytes = Buffer.from(body as Buffer)
  const head = Buffer.alloc(4)
  head.writeUInt32BE(0x8000_0000 + bytes.length)
  return Buffer.concat([head, bytes])
}

interface Options {
  onControl?(text: string, demultiplexer: Demultiplexer): void
  maxLength?: number
}

function make({ onControl, maxLength = Infinity }: Options = {}) {
  const data: Buffer[] = []
  const controls: string[] = []
  const lengths: number[] = []
  /** Data bytes that came before each control frame. */
  const places: number[] = []
  const events: DemultiplexerEvents = {
    onFrame: length => {
      lengths.push(length)
      return length > maxLength ? new TokenError('ERR_TOKEN_TOO_LARGE', 'Cannot: too large') : null
    },
    onData: run => void data.push(run),
    onControl: body => {
      controls.push(String(body))
      places.push(Buffer.concat(data).length)
      onControl?.(String(body), demultiplexer)
    }
  }
  const demultiplexer = new Demultiplexer(events)
  const release = () => {
    for (const chunk of demultiplexer.handTo(events)) demultiplexer.push(chunk)
  }
  return { demultiplexer, release, data, controls, lengths, places }
}

/** What is the same however the bytes are cut. */
function outcome(chunks: Buffer[], options?: Options) {
  const { demultiplexer, data, controls, lengths, places } = make(options)
  let error = ''
  try {
    for (const chunk of chunks) demultiplexer.push(chunk)
  } catch (thrown) {
    error = (thrown as TokenError).code
  }
  const passed = Buffer.concat(data).toString('hex')
  return { passed, controls, lengths, places, error }
}

function cutAt(input: Buffer, ...cuts: number[]): Buffer[] {
  const all = [0, ...cuts, input.length]
  return all.slice(1).map((end, i) => input.subarray(all[i], end))
}

describe('Demultiplexer', () => {
  const mixed = Buffer.concat([
    control('first'),
    frames('ab', ''),
    control('x'),
    control('yy'),
    frame('cde'),
    control('last')
  ])
  const expected = {
    passed: frames('ab', '', 'cde').toString('hex'),
    controls: ['first', 'x', 'yy', 'last'],
    lengths: [2, 0, 3],
    places: [0, 10, 10, 17],
    error: ''
  }

  it('takes the control frames out and passes the rest on, in their order', () => {
    expect(outcome([mixed])).to.deep.equal(expected)
  })

  it('finds the same byte by byte', () => {
    expect(outcome(Array.from(mixed, byte => Buffer.of(byte)))).to.deep.equal(expected)
  })

  it('finds the same at every cut into two and into three', () => {
    for (let first = 0; first <= mixed.length; first++) {
      for (let second = first; second <= mixed.length; second++) {
        expect(outcome(cutAt(mixed, first, second)), `cut at ${first} and ${second}`).to.deep.equal(expected)
      }
    }
  })

  it('passes a chunk without control frames on as it is', () => {
    const { demultiplexer, data } = make()
    const chunk = frames('a', 'b', pattern(5000))
    demultiplexer.push(chunk)
    expect(data).to.have.length(1)
    expect(data[0]).to.equal(chunk)
  })

  it('passes views of the chunk on, and copies no data', () => {
    const { demultiplexer, data } = make()
    const chunk = Buffer.concat([frame('a'), control('c'), frame('b')])
    demultiplexer.push(chunk)
    expect(data.map(run => run.buffer === chunk.buffer)).to.deep.equal([true, true])
  })

  it('knows after each byte whether it stands in the middle of a frame', () => {
    const { demultiplexer } = make()
    const states = Array.from(Buffer.concat([frame('ab'), control('c'), frame('')]), byte => {
      demultiplexer.push(Buffer.of(byte))
      return demultiplexer.isMidFrame
    })
    const [yes, no] = [true, false]
    expect(states).to.deep.equal([yes, yes, yes, yes, yes, no, yes, yes, yes, yes, no, yes, yes, yes, no])
  })

  describe('broken frames', () => {
    it('refuses a control frame of 0 bytes and of more than 1,024, at its head, behind what came before', () => {
      for (const head of ['80 00 00 00', '80 00 04 01', 'ff ff ff ff']) {
        const input = Buffer.concat([frame('a'), control('c'), frame('b'), bytes(head), frame('never')])
        const refused = {
          passed: frames('a', 'b').toString('hex'),
          controls: ['c'],
          lengths: [1, 1],
          places: [5],
          error: 'ERR_PROTOCOL'
        }
        for (let cut = 0; cut <= input.length; cut++) {
          expect(outcome(cutAt(input, cut)), `${head}, cut at ${cut}`).to.deep.equal(refused)
        }
      }
    })

    it('refuses no control frame of 1,024 bytes', () => {
      expect(outcome([control('z'.repeat(1024))]).controls).to.deep.equal(['z'.repeat(1024)])
    })

    it('refuses a data frame that its owner refuses, before its bytes, at every cut', () => {
      const input = Buffer.concat([frame('ab'), control('c'), frame('abc'), frame('a')])
      const refused = {
        passed: frames('ab').toString('hex'),
        controls: ['c'],
        lengths: [2, 3],
        places: [6],
        error: 'ERR_TOKEN_TOO_LARGE'
      }
      for (let cut = 0; cut <= input.length; cut++) {
        expect(outcome(cutAt(input, cut), { maxLength: 2 }), `cut at ${cut}`).to.deep.equal(refused)
      }
    })

    it('refuses what onControl throws at, behind what came before', () => {
      const input = Buffer.concat([frame('a'), control('bad'), frame('b')])
      const onControl = () => {
        throw new TokenError('ERR_PROTOCOL', 'Cannot')
      }
      for (let cut = 0; cut <= input.length; cut++) {
        const result = outcome(cutAt(input, cut), { onControl })
        expect([result.passed, result.error]).to.deep.equal([frame('a').toString('hex'), 'ERR_PROTOCOL'])
      }
    })
  })

  describe('with onMark', () => {
    const [part, abort] = [control(Buffer.of(0x85)), control(Buffer.of(0x86))]

    /** What was passed on, and the marks, each with the bytes before it. */
    function read(chunks: Buffer[], refused = '') {
      const data: Buffer[] = []
      const log: string[] = []
      const note = (text: string) => log.push(`${text} after ${lengths.join('+')}`)
      const lengths: number[] = []
      const demultiplexer = new Demultiplexer({
        onFrame: length => {
          lengths.push(length)
          return null
        },
        onMark: type => {
          const name = type === TYPE_ABORT ? 'abort' : 'part'
          note(name)
          return name === refused ? new TokenError('ERR_PROTOCOL', 'Cannot') : null
        },
        onData: run => void data.push(run),
        onControl: body => void note(String(body))
      })
      let error = ''
      try {
        for (const chunk of chunks) demultiplexer.push(chunk)
      } catch (thrown) {
        error = (thrown as TokenError).code
      }
      return { data, passed: Buffer.concat(data).toString('hex'), log, error }
    }

    const input = Buffer.concat([
      frame('a'),
      part,
      frame('bc'),
      control('p'),
      abort,
      frame('d'),
      control('q')
    ])
    const passed = Buffer.concat([frame('a'), part, frame('bc'), abort, frame('d')]).toString('hex')
    const log = ['part after 1', 'p after 1+2', 'abort after 1+2', 'q after 1+2+1']

    it('leaves PART and ABORT in their place, at every cut into two and into three', () => {
      for (let first = 0; first <= input.length; first++) {
        for (let second = first; second <= input.length; second++) {
          const result = read(cutAt(input, first, second))
          expect(result, `${first} ${second}`).to.deep.include({ passed, log, error: '' })
        }
      }
    })

    it('passes a chunk with nothing but them and data on as it is', () => {
      const chunk = Buffer.concat([part, frame('ab'), frame('c'), abort, frame('d')])
      expect(read([chunk]).data[0]).to.equal(chunk)
    })

    it('is refused where it stands, behind what came before, at every cut', () => {
      for (let cut = 0; cut <= input.length; cut++) {
        const result = read(cutAt(input, cut), 'abort')
        expect(result, `${cut}`).to.deep.include({
          passed: Buffer.concat([frame('a'), part, frame('bc')]).toString('hex'),
          log: log.slice(0, 3),
          error: 'ERR_PROTOCOL'
        })
      }
    })

    it('is not asked about frames of the same type and another length', () => {
      const long = control(Buffer.from([0x85, 0x61]))
      expect(read([long]).log).to.have.length(1)
      expect(read([long]).data).to.deep.equal([])
    })
  })

  describe('with answers', () => {
    const ANSWER = control('answer')

    /** What was passed on, and in their order the frames and the answers; `hold` holds until all is pushed. */
    function read(chunks: Buffer[]) {
      const data: Buffer[] = []
      const log: string[] = []
      let pieces: Buffer[] = []
      let isAnnounced = false
      const events = {
        isAnswer: false,
        onFrame: (length: number) => {
          events.isAnswer = isAnnounced
          isAnnounced = false
          if (!events.isAnswer) log.push(`frame of ${length}`)
          return length > 9000 ? new TokenError('ERR_TOKEN_TOO_LARGE', 'Cannot') : null
        },
        onAnswer: (bytes: Buffer, left: number) => {
          pieces.push(bytes)
          if (left > 0) return
          log.push(`answer ${Buffer.concat(pieces)}`)
          pieces = []
        },
        onData: (run: Buffer) => void data.push(run),
        onControl: (body: Buffer) => {
          log.push(String(body))
          if (String(body) === 'answer') isAnnounced = true
          if (String(body) === 'hold') demultiplexer.hold()
        }
      }
      const demultiplexer = new Demultiplexer(events)
      let error = ''
      try {
        for (const chunk of chunks) demultiplexer.push(chunk)
        for (const chunk of demultiplexer.handTo(events)) demultiplexer.push(chunk)
      } catch (thrown) {
        error = (thrown as TokenError).code
      }
      return { data, pieces, passed: Buffer.concat(data).toString('hex'), log, error, demultiplexer }
    }

    const input = Buffer.concat([
      frame('ab'),
      ANSWER,
      frame('one'),
      frame('c'),
      ANSWER,
      frame(''),
      ANSWER,
      frame('2'),
      control('p')
    ])
    const passed = frames('ab', 'c').toString('hex')
    const log = [
      'frame of 2',
      'answer',
      'answer one',
      'frame of 1',
      'answer',
      'answer ',
      'answer',
      'answer 2',
      'p'
    ]

    it('gives each by itself, also empty ones, and passes the rest on, at every cut into two and into three', () => {
      for (let first = 0; first <= input.length; first++) {
        for (let second = first; second <= input.length; second++) {
          const result = read(cutAt(input, first, second))
          expect(result, `${first} ${second}`).to.deep.include({ passed, log, error: '' })
        }
      }
      expect(read(Array.from(input, byte => Buffer.of(byte)))).to.deep.include({ passed, log, error: '' })
    })

    it('gives views of the chunk, and copies none', () => {
      const body = pattern(5000)
      const chunk = Buffer.concat([ANSWER, frame(body)]).subarray(0, -1)
      const { pieces, demultiplexer } = read([chunk])
      expect([pieces[0]?.length, pieces[0]?.buffer === chunk.buffer]).to.deep.equal([4999, true])
      expect(demultiplexer.isMidFrame).to.equal(true)
    })

    it('knows after each byte of one whether it stands in the middle of a frame', () => {
      const states = [...Array(4).keys()].map(
        length =>
          read([Buffer.concat([ANSWER, frame('123')]).subarray(0, ANSWER.length + 4 + length)]).demultiplexer
            .isMidFrame
      )
      expect(states).to.deep.equal([true, true, true, false])
    })

    it('refuses one that its owner refuses, before its bytes, at every cut', () => {
      const head = Buffer.from([0, 0, 0x23, 0x29])
      const broken = Buffer.concat([frame('a'), ANSWER, head, pattern(100)])
      for (let cut = 0; cut <= broken.length; cut++) {
        const result = read(cutAt(broken, cut))
        expect(result, `${cut}`).to.deep.include({
          passed: frame('a').toString('hex'),
          log: ['frame of 1', 'answer'],
          pieces: [],
          error: 'ERR_TOKEN_TOO_LARGE'
        })
      }
    })

    it('gives those that were held when it is handed over, at every cut', () => {
      const held = Buffer.concat([frame('x'), control('hold'), input])
      for (let cut = 0; cut <= held.length; cut++) {
        expect(read(cutAt(held, cut)), `${cut}`).to.deep.include({
          passed: frames('x', 'ab', 'c').toString('hex'),
          log: ['frame of 1', 'hold', ...log],
          error: ''
        })
      }
    })

    it('finds the same of any frames, however they are cut', () => {
      const one = fc.oneof(
        fc.nat(30).map(length => ({ bytes: frame(pattern(length)), line: `frame of ${length}`, data: true })),
        fc.nat(30).map(length => ({
          bytes: Buffer.concat([ANSWER, frame(pattern(length))]),
          line: `answer,answer ${pattern(length)}`,
          data: false
        })),
        fc.constant({ bytes: control('q'), line: 'q', data: false })
      )
      fc.assert(
        fc.property(
          fc.array(one, { maxLength: 8 }),
          fc.array(fc.nat(40), { maxLength: 20 }),
          (all, lengths) => {
            const bytes = Buffer.concat(all.map(frame => frame.bytes))
            const chunks: Buffer[] = []
            let at = 0
            for (const length of lengths) {
              chunks.push(bytes.subarray(at, at + length))
              at += length
            }
            chunks.push(bytes.subarray(at))
            const result = read(chunks)
            expect(result.log.join()).to.equal(all.map(({ line }) => line).join())
            const data = all.flatMap(frame => (frame.data ? [frame.bytes] : []))
            expect(result.passed).to.equal(Buffer.concat(data).toString('hex'))
          }
        ),
        parameters
      )
    })
  })

  describe('held', () => {
    const input = Buffer.concat([frame('a'), control('hold'), frame('b'), control('c'), frame('d')])

    it('looks at nothing behind, also of the chunk at hand, and at everything when released', () => {
      for (let cut = 0; cut <= input.length; cut++) {
        const onControl = (text: string, demultiplexer: Demultiplexer) => {
          if (text === 'hold') demultiplexer.hold()
        }
        const { demultiplexer, release, data, controls } = make({ onControl })
        for (const chunk of cutAt(input, cut)) demultiplexer.push(chunk)
        expect(Buffer.concat(data), `cut at ${cut}`).to.deep.equal(frame('a'))
        expect([controls, demultiplexer.heldBytes]).to.deep.equal([['hold'], input.length - 13])
        release()
        expect(Buffer.concat(data)).to.deep.equal(frames('a', 'b', 'd'))
        expect([controls, demultiplexer.heldBytes]).to.deep.equal([['hold', 'c'], 0])
      }
    })

    it('keeps bytes and not chunks: many of one byte are few when they come out', () => {
      const { demultiplexer, release, data } = make()
      demultiplexer.hold()
      const sent = frames(pattern(64 * 1024 - 4))
      for (const byte of sent) demultiplexer.push(Buffer.of(byte))
      expect(demultiplexer.heldBytes).to.equal(64 * 1024)
      release()
      expect(Buffer.concat(data).equals(sent)).to.equal(true)
      expect(data.length).to.be.below(10)
    })

    it('again while it is released goes on holding, in order', () => {
      const onControl = (text: string, demultiplexer: Demultiplexer) => {
        if (text !== 'end') demultiplexer.hold()
      }
      const { demultiplexer, release, controls } = make({ onControl })
      const chunks = ['one', 'two', 'end'].map(control)
      for (const chunk of chunks) demultiplexer.push(chunk)
      expect(controls).to.deep.equal(['one'])
      release()
      expect(controls).to.deep.equal(['one', 'two'])
      release()
      expect(controls).to.deep.equal(['one', 'two', 'end'])
    })
  })

  it('stopped ignores the rest of the chunk and all that comes, whatever it is', () => {
    const input = Buffer.concat([frame('a'), control('stop'), frame('b'), bytes('ff ff ff ff 00')])
    for (let cut = 0; cut <= input.length; cut++) {
      const onControl = (_text: string, demultiplexer: Demultiplexer) => demultiplexer.stop()
      const result = outcome(cutAt(input, cut), { onControl })
      expect(result, `cut at ${cut}`).to.deep.include({
        passed: frame('a').toString('hex'),
        controls: ['stop'],
        error: ''
      })
    }
  })

  it('gives the same control frames and the same data bytes under any chopping', () => {
    const part = fc.oneof(
      fc.record({ isControl: fc.constant(true), body: fc.uint8Array({ minLength: 1, maxLength: 40 }) }),
      fc.record({ isControl: fc.constant(false), body: fc.uint8Array({ maxLength: 60 }) })
    )
    fc.assert(
      fc.property(
        fc.array(part, { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 10 }),
        (parts, sizes) => {
          const input = Buffer.concat(
            parts.map(({ isControl, body }) => (isControl ? control(Buffer.from(body)) : frame(body)))
          )
          const chunks: Buffer[] = []
          for (let at = 0, i = 0; at < input.length; i++) {
            const size = sizes[i % sizes.length] as number
            chunks.push(input.subarray(at, at + size))
            at += size
          }
          const tokens = parts.filter(({ isControl }) => !isControl).map(({ body }) => Buffer.from(body))
          const whole = outcome([input])
          expect(whole.passed).to.equal(frames(...tokens).toString('hex'))
          expect(whole.controls.length).to.equal(parts.length - tokens.length)
          expect(outcome(chunks)).to.deep.equal(whole)
          const reader = new FrameReader(1000)
          reader.push(bytes(whole.passed))
          for (const token of tokens) expect(reader.next()).to.deep.equal(token)
        }
      ),
      { numRuns: 500, ...parameters }
    )
  })

  it('gives ACK, WINDOW and ANSWER as counts where they stand whole, and as control frames where a chunk cuts them', () => {
    const counts = [
      encodeControl({ type: 'ack', handed: 7 }),
      encodeControl({ type: 'window', granted: 300 }),
      encodeControl({ type: 'answer', to: 4 })
    ]
    const input = Buffer.concat([
      frame('a'),
      ...counts,
      frame('b'),
      ...counts,
      encodeControl({ type: 'end' })
    ])
    const expected = ['ack 7', 'window 300', 'answer 4', 'ack 7', 'window 300', 'answer 4', 'end']
    for (let cut = 0; cut <= input.length; cut++) {
      const data: Buffer[] = []
      const told: string[] = []
      const demultiplexer = new Demultiplexer({
        onFrame: () => null,
        onData: run => void data.push(run),
        onCount: (bytes, offset) => {
          const type = isAnswerFrame(bytes, offset) ? 'answer' : isAck(bytes, offset) ? 'ack' : 'window'
          told.push(`${type} ${decodeCount(bytes, offset)}`)
        },
        onControl: body => {
          const control = decodeControl(body)
          if (control?.type === 'ack') told.push(`ack ${control.handed}`)
          else if (control?.type === 'window') told.push(`window ${control.granted}`)
          else if (control?.type === 'answer') told.push(`answer ${control.to}`)
          else told.push(String(control?.type))
        }
      })
      demultiplexer.push(input.subarray(0, cut))
      demultiplexer.push(input.subarray(cut))
      expect(told).to.deep.equal(expected)
      expect(Buffer.concat(data)).to.deep.equal(Buffer.concat([frame('a'), frame('b')]))
    }
  })
})
