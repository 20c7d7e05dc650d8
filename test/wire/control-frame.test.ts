import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import { closeCodeOf } from '../../lib/errors/close-code-of'
import { protocolError, TokenError } from '../../lib/errors/token-error'
import { type ControlFrame, decodeControl, encodeControl } from '../../lib/wire/control-frame'
import { CONTROL_BIT, MAX_CONTROL_LENGTH } from '../../lib/wire/header'
import {
  FEATURE_ACK,
  FEATURE_END,
  FEATURE_PART,
  FEATURE_SESSION,
  FEATURE_STREAM,
  type Role,
  type SessionLookup,
  type SessionPart
} from '../../lib/wire/hello'
import { bytes } from '../helpers/bytes'
import { refusal } from '../helpers/refusal'

type Bytes = string | { repeat: string; times: number } | Bytes[]
interface Vector {
  name: string
  hex: Bytes
  expected: ({ frame: string } & Record<string, unknown>)[]
  error?: string
  encodes?: boolean
  maxTokenLength?: number
}

const vectors: Vector[] = JSON.parse(
  readFileSync(join(__dirname, '../../../test/vectors/token-2-frames.json'), 'utf8')
)

/** Set SEED to see a failure again; set RUNS or CI for more runs. */
const seed = Number(process.env.SEED ?? Date.now() % 0x7fff_ffff)
const RUNS = Number(process.env.RUNS ?? (process.env.CI ? 100_000 : 10_000))

function expand(value: Bytes): Buffer {
  if (typeof value === 'string') return bytes(value)
  if (Array.isArray(value)) return Buffer.concat(value.map(expand))
  return Buffer.concat(Array.from({ length: value.times }, () => bytes(value.repeat)))
}

/** Cuts a stream at its heads, without the library: the bodies, data frames as null, and the error of a head. */
function split({ hex, maxTokenLength = 8_388_608 }: Vector): { bodies: (Buffer | null)[]; error?: string } {
  const stream = expand(hex)
  const bodies: (Buffer | null)[] = []
  for (let at = 0; at < stream.length; ) {
    if (stream.length - at < 4) return { bodies, error: 'ERR_TRUNCATED' }
    const head = stream.readUInt32BE(at)
    const isControl = head >= CONTROL_BIT
    const n = isControl ? head - CONTROL_BIT : head
    if (isControl && (n === 0 || n > MAX_CONTROL_LENGTH)) return { bodies, error: 'ERR_PROTOCOL' }
    if (!isControl && n > maxTokenLength) return { bodies, error: 'ERR_TOKEN_TOO_LARGE' }
    if (stream.length - at - 4 < n) return { bodies, error: 'ERR_TRUNCATED' }
    bodies.push(isControl ? stream.subarray(at + 4, at + 4 + n) : null)
    at += 4 + n
  }
  return { bodies }
}

/** As the vectors write it: bytes in hex, the version that every HELLO has, a session only if there is one. */
function plain({ type, ...fields }: ControlFrame): Record<string, unknown> {
  const json = JSON.parse(
    JSON.stringify(fields, function (key) {
      return this[key] instanceof Uint8Array ? Buffer.from(this[key]).toString('hex') : this[key]
    })
  )
  if (json.session === null) delete json.session
  return { frame: type, ...(type === 'hello' ? { version: 2 } : {}), ...json }
}

function brokenRule(run: () => unknown): TokenError {
  const error = refusal(run)
  expect(error.code).to.equal('ERR_PROTOCOL')
  return error
}

const read = (hex: string) => decodeControl(bytes(hex))
const close = (reason: string): ControlFrame => ({ type: 'close', code: 0, handed: 0, reason })
const hello: ControlFrame = {
  type: 'hello',
  role: 'client',
  features: FEATURE_SESSION | FEATURE_ACK | FEATURE_PART,
  maxTokenLength: 8_388_608,
  heartbeat: 15_000,
  receiveWindow: 1_048_576,
  fingerprint: Buffer.alloc(32, 0x11),
  session: {
    id: Buffer.alloc(16, 0xa0),
    epoch: Buffer.alloc(8, 0xe0),
    generation: 2,
    received: 5,
    handed: 4,
    lookup: 'request'
  }
}

describe('the vectors of token-2-frames.json', () => {
  for (const vector of vectors) {
    const control = vector.expected.filter(({ frame }) => frame !== 'data')
    it(`${vector.name}: are read as expected${vector.error ? `, then ${vector.error}` : ''}`, () => {
      const { bodies, error } = split(vector)
      const frames: ControlFrame[] = []
      let code = error
      try {
        for (const body of bodies) {
          const frame = body && decodeControl(body)
          if (frame) frames.push(frame)
        }
      } catch (thrown) {
        code = (thrown as TokenError).code
      }
      expect(frames.map(plain)).to.deep.equal(control)
      expect(code).to.equal(vector.error)
    })

    if (vector.error || control.length === 0) continue
    it(`${vector.name}: ${vector.encodes === false ? 'is not what an encoder writes' : 'are written as they were read'}`, () => {
      for (const body of split(vector).bodies) {
        if (body === null) continue
        const frame = decodeControl(body)
        if (frame === null) continue
        if (frame.type === 'hello' && frame.features > 63) {
          expect(closeCodeOf(brokenRule(() => encodeControl(frame)))).to.equal('internal-error')
          expect(vector.encodes).to.equal(false)
        } else {
          const same = encodeControl(frame).subarray(4).equals(body)
          expect(same).to.equal(vector.encodes !== false)
        }
      }
    })
  }
})

const count = fc.oneof(fc.maxSafeNat(), fc.nat(9), fc.constantFrom(2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1))
const u32 = fc.oneof(fc.nat(0xffff_ffff), fc.constantFrom(0, 0xffff_ffff))
const buffer = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map(array => Buffer.from(array))
const someBuffer = (length: number) => buffer(length).filter(some => some.some(byte => byte !== 0))
const reason = fc.string({ unit: 'binary', maxLength: 128 })
const code = fc.nat(0xffff).filter(number => number !== 0x0100)
const zeros = (length: number) => fc.constant(Buffer.alloc(length))
const generation = fc.integer({ min: 1, max: 0xffff_ffff })
const zero = fc.constant(0)
const lookup = (...names: SessionLookup[]) => fc.constantFrom(...names)
/** Two counts in any order: the larger was received. */
const inOrder = (part: SessionPart): SessionPart => ({
  ...part,
  received: Math.max(part.received, part.handed),
  handed: Math.min(part.received, part.handed)
})

const going = { id: someBuffer(16), epoch: buffer(8), generation, received: count, handed: count }
const fresh = { ...going, received: zero, handed: zero }
const request = fc.oneof(
  fc.record({ ...going, lookup: lookup('request') }).map(inOrder),
  fc.record({ ...fresh, id: zeros(16), epoch: zeros(8), lookup: lookup('request') })
)
const answer = fc.oneof(
  fc.record({ ...going, lookup: lookup('resumed') }).map(inOrder),
  fc.record({ ...fresh, lookup: lookup('new', 'unknown', 'expired', 'outrun', 'identity') })
)
const helloFrom = (role: Role): fc.Arbitrary<ControlFrame> =>
  fc
    .record({
      maxTokenLength: fc.nat(0x7fff_ffff),
      heartbeat: fc.oneof(zero, fc.integer({ min: 100, max: 86_400_000 })),
      receiveWindow: u32,
      fingerprint: buffer(32),
      features: fc.constantFrom(
        0,
        FEATURE_ACK,
        FEATURE_PART,
        FEATURE_END,
        FEATURE_ACK | FEATURE_PART | FEATURE_END,
        FEATURE_PART | FEATURE_STREAM,
        FEATURE_ACK | FEATURE_PART | FEATURE_END | FEATURE_STREAM
      ),
      length: count,
      session: fc.option(role === 'client' ? request : answer)
    })
    .map(({ features, length, ...rest }) => ({
      type: 'hello',
      role,
      features: rest.session ? features | FEATURE_SESSION | FEATURE_ACK : features,
      ...rest,
      ...(features & FEATURE_STREAM && { maxStreamLength: length })
    }))
const anyFrame: fc.Arbitrary<ControlFrame> = fc.oneof(
  fc.record({ type: fc.constant('window' as const), granted: count }),
  fc.record({ type: fc.constant('ack' as const), handed: count }),
  fc.record({
    type: fc.constantFrom('ping', 'pong'),
    opaque: fc.uint8Array({ minLength: 8, maxLength: 8 })
  }),
  fc.record({ type: fc.constantFrom('part', 'abort', 'end') }),
  fc.record({ type: fc.constant('goaway' as const), code, retryAfter: u32, reason }),
  fc.record({ type: fc.constant('close' as const), code, handed: count, reason }),
  helloFrom('client'),
  helloFrom('server')
)

describe(`control frames, by chance (SEED=${seed}, ${RUNS} runs)`, () => {
  it('every frame comes back as it was written, and its head tells its length', () => {
    fc.assert(
      fc.property(anyFrame, frame => {
        const whole = encodeControl(frame)
        expect(whole.readUInt32BE(0)).to.equal(CONTROL_BIT + whole.length - 4)
        expect(plain(decodeControl(whole.subarray(4)) as ControlFrame)).to.deep.equal(plain(frame))
      }),
      { seed, numRuns: RUNS }
    )
  }).timeout(60_000)

  it('any body is a frame, null, or ERR_PROTOCOL with its close code; a frame is written as it was read', () => {
    const outcomes = { frame: 0, ignored: 0, refused: 0 }
    const models = vectors.flatMap(vector => split(vector).bodies).filter(body => body !== null)
    const next = randomFrom(seed)
    for (let run = 0; run < RUNS; run++) {
      const body = run % 8 === 0 ? randomBody(next) : mutate(models[next(models.length)] as Buffer, next)
      outcomes[judge(body)]++
    }
    // The mutations are near enough to reach every answer, so that none is proved by never being asked.
    for (const times of Object.values(outcomes)) expect(times).to.be.above(RUNS / 100)
  }).timeout(60_000)
})

/** Numbers below `limit`, the same for the same seed (mulberry32). */
function randomFrom(start: number): (limit: number) => number {
  let state = start
  return limit => {
    state = (state + 0x6d2b_79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit
  }
}

function randomBody(next: (limit: number) => number): Buffer {
  const body = Buffer.from(Array.from({ length: next(next(8) === 0 ? 1100 : 120) }, () => next(256)))
  if (body.length > 0 && next(4) > 0) body[0] = 0x80 + next(11)
  return body
}

/** The model with up to four changes: a byte, a bit, a shorter or a longer end. */
function mutate(model: Buffer, next: (limit: number) => number): Buffer {
  let body = Buffer.from(model)
  for (let changes = next(5); changes > 0; changes--) {
    const at = next(Math.max(1, Math.min(body.length, 100)))
    const kind = next(4)
    if (kind === 0) body = body.subarray(0, next(body.length + 1))
    else if (kind === 1) body = Buffer.concat([body, Buffer.alloc(1 + next(50), next(256))])
    else if (kind === 2 && at < body.length) body[at] = next(256)
    else if (at < body.length) body[at] = (body[at] as number) ^ (1 << next(8))
  }
  return body
}

function judge(body: Buffer): 'frame' | 'ignored' | 'refused' {
  let frame: ControlFrame | null
  const shown = body.subarray(0, 120).toString('hex')
  try {
    frame = decodeControl(body)
  } catch (error) {
    if (!(error instanceof TokenError) || error.code !== 'ERR_PROTOCOL') {
      throw new Error(`another error for ${shown}`, { cause: error })
    }
    const isOtherVersion = body[0] === 0x81 && body.length > 1 && body.length <= 1024 && body[1] !== 2
    if (closeCodeOf(error) !== (isOtherVersion ? 'unsupported' : 'protocol-error')) {
      throw new Error(`the wrong close code for ${shown}`)
    }
    return 'refused'
  }
  if (frame === null) return 'ignored'
  const isChanged =
    frame.type === 'hello' ? frame.features > 63 : 'reason' in frame && frame.reason.includes('\ufffd')
  if (!isChanged) {
    const again = encodeControl(frame).subarray(4)
    if (!again.equals(body.subarray(0, frame.type === 'hello' ? again.length : body.length))) {
      throw new Error(`read and written again ${again.toString('hex')}, was ${shown}`)
    }
  }
  return 'frame'
}

describe('reasons', () => {
  /** The reason that the peer reads, and its bytes on the wire. */
  function cut(text: string): { text: string; length: number } {
    const body = encodeControl(close(text)).subarray(4)
    return { text: (decodeControl(body) as { reason: string }).reason, length: body.length - 11 }
  }

  const cases: [string, string, string, number][] = [
    ['512 bytes are not cut', 'a'.repeat(512), 'a'.repeat(512), 512],
    ['one byte too many', 'a'.repeat(513), 'a'.repeat(512), 512],
    ['two-byte points', `a${'é'.repeat(300)}`, `a${'é'.repeat(255)}`, 511],
    ['a three-byte point across the limit', `${'a'.repeat(510)}€`, 'a'.repeat(510), 510],
    ['a three-byte point up to the limit', `${'a'.repeat(509)}€€`, `${'a'.repeat(509)}€`, 512],
    ['a surrogate pair that lacks 3 bytes', `${'a'.repeat(511)}🚫`, 'a'.repeat(511), 511],
    ['a surrogate pair that lacks 2 bytes', `${'a'.repeat(510)}🚫`, 'a'.repeat(510), 510],
    ['a surrogate pair that lacks 1 byte', `${'a'.repeat(509)}🚫b`, 'a'.repeat(509), 509],
    ['a surrogate pair up to the limit', `${'a'.repeat(508)}🚫b`, `${'a'.repeat(508)}🚫`, 512],
    ['only surrogate pairs', '🚫'.repeat(1000), '🚫'.repeat(128), 512],
    ['a very long one', '€'.repeat(1_000_000), '€'.repeat(170), 510],
    ['a lone surrogate', 'a\ud83db', 'a\ufffdb', 5],
    ['a byte order mark stays', '\ufeffa', '\ufeffa', 4]
  ]
  for (const [title, given, expected, length] of cases) {
    it(`are cut at the boundary of a code point: ${title}`, () => {
      expect(cut(given)).to.deep.equal({ text: expected, length })
    })
  }

  it('are cut in GOAWAY as in CLOSE', () => {
    const whole = encodeControl({ type: 'goaway', code: 1, retryAfter: 0, reason: `${'a'.repeat(510)}🚫` })
    expect(whole).to.have.length(4 + 7 + 510)
  })

  it('have U+FFFD where bytes are no UTF-8', () => {
    const frame = read('88 0001 00000000 61 ff c3 28 ed a0 80 f0 9f 9a')
    expect(frame)
      .to.have.property('reason')
      .that.matches(/^a\ufffd\ufffd\(\ufffd+$/)
    expect(read('89 0000 0000000000000000 c3')).to.have.property('reason', '\ufffd')
  })
})

describe('decodeControl', () => {
  it('refuses a body of 0 or 1025 bytes, whoever read the head', () => {
    expect(brokenRule(() => read('')).message).to.equal(
      'Cannot read a control frame: n is 0, the range is 1 to 1024'
    )
    expect(decodeControl(Buffer.alloc(1024))).to.equal(null)
    brokenRule(() => decodeControl(Buffer.alloc(1025)))
  })

  it('closes a HELLO of another version with unsupported, without a look at the rest', () => {
    for (const hex of ['81 03', '81 01 ff', `81 03 ${'ff'.repeat(1022)}`]) {
      expect(closeCodeOf(brokenRule(() => read(hex)))).to.equal('unsupported')
    }
    expect(closeCodeOf(brokenRule(() => read('81')))).to.equal('protocol-error')
    expect(closeCodeOf(brokenRule(() => read('81 02')))).to.equal('protocol-error')
  })

  it('keeps nothing of the bytes it read', () => {
    for (const frame of [hello, { type: 'ping', opaque: Buffer.alloc(8, 7) } as const]) {
      const body = encodeControl(frame).subarray(4)
      const result = decodeControl(body) as ControlFrame
      body.fill(0xee)
      expect(plain(result)).to.deep.equal(plain(frame))
    }
  })

  it('says the name of the frame and the value in its message, never bytes of the peer', () => {
    expect(brokenRule(() => read('87 00')).message).to.equal('Cannot read ACK: n is 2, not 9')
    expect(brokenRule(() => read('8a')).message).to.include('its type 0x8a is unknown')
    const secret = Buffer.from('passw0rd'.repeat(70))
    const { message } = brokenRule(() =>
      decodeControl(Buffer.concat([bytes('89 0000 0000000000000000'), secret]))
    )
    expect(message).to.equal('Cannot read CLOSE: its reason has 560 bytes, at most 512 are allowed')
    expect(brokenRule(() => decodeControl(Buffer.concat([bytes('83'), secret]))).message).not.to.include(
      'pass'
    )
  })
})

describe('encodeControl', () => {
  const wrong: [string, ControlFrame][] = [
    ['a count above 2^53 - 1', { type: 'ack', handed: 2 ** 53 }],
    ['a negative count', { type: 'window', granted: -1 }],
    ['a fraction of a token', { type: 'close', code: 0, handed: 0.5, reason: '' }],
    ['seven opaque bytes', { type: 'pong', opaque: new Uint8Array(7) }],
    ['the code of lost in CLOSE', { type: 'close', code: 0x0100, handed: 0, reason: '' }],
    ['the code of lost in GOAWAY', { type: 'goaway', code: 0x0100, retryAfter: 0, reason: '' }],
    ['a code above 16 bits', { type: 'close', code: 0x1_0000, handed: 0, reason: '' }],
    ['a retryAfter of Infinity', { type: 'goaway', code: 1, retryAfter: Infinity, reason: '' }],
    ['an unknown feature', { ...hello, features: 0x26 }],
    ['STREAM without its length', { ...hello, features: hello.features | FEATURE_STREAM }],
    ['the length of STREAM without its bit', { ...hello, maxStreamLength: 5 }],
    [
      'STREAM without PART',
      { ...hello, session: null, features: FEATURE_ACK | FEATURE_STREAM, maxStreamLength: 5 }
    ],
    [
      'a maxStreamLength above 2^53 - 1',
      { ...hello, features: hello.features | FEATURE_STREAM, maxStreamLength: 2 ** 53 }
    ],
    ['a session without its bit', { ...hello, features: FEATURE_ACK }],
    ['the bit without a session', { ...hello, session: null }],
    ['a session without ACK', { ...hello, features: FEATURE_SESSION }],
    ['a heartbeat of 99 ms', { ...hello, heartbeat: 99 }],
    ['a window that is no u32', { ...hello, receiveWindow: 2 ** 32 }],
    ['a maxTokenLength with the top bit', { ...hello, maxTokenLength: 2 ** 31 }],
    ['a fingerprint of 20 bytes', { ...hello, fingerprint: Buffer.alloc(20) }],
    [
      'a session id of 15 bytes',
      { ...hello, session: { ...hello.session, id: Buffer.alloc(15, 1) } } as ControlFrame
    ],
    [
      'an epoch of 9 bytes',
      { ...hello, session: { ...hello.session, epoch: Buffer.alloc(9) } } as ControlFrame
    ]
  ]
  for (const [title, frame] of wrong) {
    it(`refuses ${title}: the peer would have to close`, () => {
      const error = brokenRule(() => encodeControl(frame))
      expect(closeCodeOf(error)).to.equal('internal-error')
      expect(error.message).to.match(/^Cannot write (?:[A-Z]|\w+ of [A-Z])/)
    })
  }

  it('writes a right HELLO, so that the wrong ones above are refused for what they changed', () => {
    expect(encodeControl(hello)).to.have.length(4 + 96)
  })

  it('writes counts exactly where 32 bits end', () => {
    for (const handed of [2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1]) {
      const whole = encodeControl({ type: 'ack', handed })
      expect(whole.readBigUInt64BE(5)).to.equal(BigInt(handed))
    }
  })
})

describe('closeCodeOf', () => {
  it('is the code that the rule names, too-large for a token, and nothing for what the peer is not told', () => {
    expect(closeCodeOf(protocolError('flow-control', 'x'))).to.equal('flow-control')
    expect(protocolError('flow-control', 'x'))
      .to.be.instanceOf(TokenError)
      .with.property('code', 'ERR_PROTOCOL')
    expect(closeCodeOf(new TokenError('ERR_PROTOCOL', 'x'))).to.equal('protocol-error')
    expect(closeCodeOf(new TokenError('ERR_TOKEN_TOO_LARGE', 'x'))).to.equal('too-large')
    expect(closeCodeOf(new TokenError('ERR_TRUNCATED', 'x'))).to.equal(null)
  })
})
