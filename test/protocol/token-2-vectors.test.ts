import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import type { Connection, TokenError } from '../../lib'
import type { CloseInfo } from '../../lib/errors/close-info'
import type { Role } from '../../lib/wire/hello'
import { bytes } from '../helpers/bytes'
import { settled } from '../helpers/moments'
import { BarePeer, destroyTransports } from '../helpers/token-2'

/** The format of test/vectors/README.md. */
type Bytes = string | { repeat: string; times: number } | Bytes[]

interface Vector {
  name: string
  from: Role
  reader?: {
    maxTokenLength?: number
    receiveWindow?: number
    maxStreamLength?: number
    features?: number
    sent?: number
    asks?: number[]
  }
  hex: Bytes
  expected: {
    tokens: (Bytes | { aborted: true } | { request: Bytes })[]
    answers?: ({ to: number; answer: Bytes } | { to: number; failed: number })[]
    end: { by: string; code: string }
  }
}

const FILE = join(__dirname, '../../../test/vectors/token-2-sequences.json')
const vectors = JSON.parse(readFileSync(FILE, 'utf8')) as Vector[]

/** The bytes of the first frame, HELLO where there is one: after it the reader says its own. */
const FIRST_FRAME = 4 + 51

const END = 8
const HANDLER = 32

/** What a promise of `request()` says to each code of FAILED; others count as 1. */
const FAILURES: Record<number, string> = {
  1: 'ERR_HANDLER_FAILED handler-failed',
  2: 'ERR_NO_HANDLER',
  3: 'ERR_HANDLER_FAILED answer-too-large'
}

/**
 * Vectors of which the end depends on a feature that the reader must not offer, or must: this library offers ACK, PART
 * and END. What it does with them instead stands here.
 */
const OTHERWISE: Record<string, { tokens: string[]; code: string; why: string }> = {
  'ack-not-asked': { tokens: [], code: 'normal', why: 'it asks for ACK' },
  'end-not-offered-by-reader': { tokens: ['61'], code: 'lost', why: 'it offers END' },
  'part-not-offered-by-reader': { tokens: [], code: 'lost', why: 'it offers PART' },
  'credit-zero': { tokens: [], code: '', why: 'its window is at least 1 byte' }
}

function decode(value: Bytes): Buffer {
  if (typeof value === 'string') return bytes(value)
  if (Array.isArray(value)) return Buffer.concat(value.map(decode))
  return Buffer.concat(Array<Buffer>(value.times).fill(bytes(value.repeat)))
}

/** `count` has those that were aborted: listeners see nothing of them. */
function expectedOf(vector: Vector) {
  const { tokens, answers = [], end } = vector.expected
  const whole = tokens.flatMap(token => {
    if (typeof token !== 'object') return [token]
    if ('aborted' in token) return []
    return ['request' in token ? token.request : token]
  })
  return {
    tokens: whole.map(token => decode(token).toString('hex')),
    count: tokens.length,
    answers: answers.map(one =>
      'answer' in one
        ? `${one.to}: ${decode(one.answer).toString('hex')}`
        : `${one.to}: ${FAILURES[one.failed] ?? FAILURES[1]}`
    ),
    ...end
  }
}

/** Takes tokens as they come, which are then longer than others may be. */
async function takePieces(connection: Connection, tokens: string[]): Promise<void> {
  for await (const token of connection.incomingTokens()) {
    const pieces: Buffer[] = []
    for await (const piece of token) pieces.push(piece)
    tokens.push(Buffer.concat(pieces).toString('hex'))
  }
}

/** Single bytes, but for the middle of a long run of one value, which comes by the hundred. */
function byteByByte(rest: Buffer): Buffer[] {
  const pieces: Buffer[] = []
  for (let at = 0; at < rest.length; ) {
    const around = rest.subarray(Math.max(0, at - 32), at + 132)
    const length = around.length === 164 && around.every(byte => byte === rest[at]) ? 100 : 1
    pieces.push(rest.subarray(at, at + length))
    at += length
  }
  return pieces
}

/** What a reader made of the bytes of a vector, cut as `cuts` says. */
async function read(vector: Vector, cuts: (rest: Buffer) => Buffer[]) {
  const { sent = 0, asks = [], features = 0, ...limits } = vector.reader ?? {}
  const { maxStreamLength } = limits
  const role = vector.from === 'client' ? 'server' : 'client'
  const peer = new BarePeer(role, limits)
  const tokens: string[] = []
  if (maxStreamLength !== undefined) takePieces(peer.connection, tokens).catch(() => {})
  else if ((features & HANDLER) !== 0)
    peer.connection.handle(token => void tokens.push(token.toString('hex')))
  else peer.connection.on('token', token => tokens.push(token.toString('hex')))
  const input = decode(vector.hex)
  await peer.say(input.subarray(0, FIRST_FRAME))
  const answers: string[] = []
  for (let number = 1; number <= sent; number++) {
    if (!asks.includes(number)) {
      peer.connection.send(Buffer.from('sent'))
      continue
    }
    peer.connection.request(Buffer.from('sent')).then(
      answer => answers.push(`${number}: ${answer.toString('hex')}`),
      // What an end tells is no answer.
      ({ code, reason }: TokenError) => {
        if (code !== 'ERR_FATE_UNKNOWN' && code !== 'ERR_NOT_SENT')
          answers.push(`${number}: ${[code, reason].filter(Boolean).join(' ')}`)
      }
    )
  }
  await settled()
  for (const piece of cuts(input.subarray(FIRST_FRAME))) {
    peer.socket.write(piece)
    // A turn of its own, where there are few: the connection then reads each alone.
    if (input.length < 1000) await new Promise(resolve => setImmediate(resolve))
  }
  // Who takes tokens as they come needs turns of its own before the transport ends.
  await settled()
  peer.socket.end()
  const info = await peer.connection.closed
  return { tokens, answers, count: peer.connection.tokensReceived, ...endOf(info), said: peer.frames() }
}

function endOf({ code, error }: CloseInfo): { by: string; code: string } {
  if (error === null) return { by: 'sender', code }
  if (error.code === 'ERR_LOST') return { by: 'transport', code: 'lost' }
  const isTheirs = error.code === 'ERR_PEER_CLOSED' || error.code === 'ERR_REFUSED'
  const name = error.closeCode ?? (error.code === 'ERR_TOKEN_TOO_LARGE' ? 'too-large' : error.code)
  return { by: isTheirs ? 'sender' : 'reader', code: name }
}

describe('the vectors of token-2-sequences.json', () => {
  afterEach(destroyTransports)

  it('are there, each under a name of its own', () => {
    expect(vectors.length).to.be.above(50)
    expect(new Set(vectors.map(vector => vector.name)).size).to.equal(vectors.length)
  })

  it('depend on no feature that this library lacks, but for those that are named', () => {
    for (const { name, reader } of vectors) {
      const needsNoEnd = name.startsWith('end-') && ((reader?.features ?? 6) & END) === 0
      const needsNoAck = ((reader?.features ?? 6) & 2) === 0
      const needsNoPart = name.startsWith('part-') && ((reader?.features ?? 6) & 4) === 0
      expect(needsNoEnd || needsNoAck || needsNoPart ? Object.hasOwn(OTHERWISE, name) : true, name).to.equal(
        true
      )
    }
  })

  for (const vector of vectors) {
    if (vector.name === 'credit-zero') {
      it('credit-zero can not be read: the window of a connection is at least 1 byte', () => {
        expect(() => new BarePeer('server', { receiveWindow: 0 }))
          .to.throw()
          .with.property('code', 'ERR_OPTION')
      })
      continue
    }

    const other = OTHERWISE[vector.name]
    const agrees = (result: Awaited<ReturnType<typeof read>>, how: string) => {
      const expected = expectedOf(vector)
      expect(result.tokens, how).to.deep.equal(other?.tokens ?? expected.tokens)
      expect(result.count, how).to.equal(other?.tokens.length ?? expected.count)
      expect(result.answers, how).to.deep.equal(expected.answers)
      if (other === undefined)
        expect([result.by, result.code], how).to.deep.equal([expected.by, expected.code])
      else expect(result.code, how).to.be.oneOf([other.code, 'lost'])
    }

    it(`${vector.name} ends by ${vector.expected.end.by} with ${vector.expected.end.code}${other ? `, but here: ${other.why}` : ''}`, async () => {
      agrees(await read(vector, rest => [rest]), 'whole')
      // With its rest cut, a token that was taken gives credit for the next one.
      if (vector.reader?.receiveWindow !== undefined) return
      agrees(await read(vector, byteByByte), 'byte by byte')
    })
  }
})
