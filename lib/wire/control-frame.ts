import { closeCodeNumber } from '../errors/close-codes'
import { protocolError } from '../errors/token-error'
import { decodeReason, encodeReason, readCount, writeCount } from './fields'
import { CONTROL_BIT, HEADER_LENGTH, MAX_CONTROL_LENGTH, writeHeader } from './header'
import { type Hello, helloLength, readHello, writeHello } from './hello'

/** A control frame of token/2 (docs/wire-format.md, section 6), with the field names of the page. */
export type ControlFrame =
  | ({ readonly type: 'hello' } & Hello)
  | { readonly type: 'window'; readonly granted: number }
  | { readonly type: 'ping' | 'pong'; readonly opaque: Uint8Array }
  | { readonly type: 'part' | 'abort' | 'end' | 'request' }
  | { readonly type: 'ack'; readonly handed: number }
  | { readonly type: 'answer'; readonly to: number }
  | { readonly type: 'answered'; readonly count: number }
  | { readonly type: 'begun'; readonly count: number }
  | FailedFrame
  | GoawayFrame
  | CloseFrame

export interface GoawayFrame {
  readonly type: 'goaway'
  /** The number on the wire, so that an unknown one is not lost; its name: `closeCodeName(code, 'goaway')`. */
  readonly code: number
  /** Milliseconds; do not come back to this server sooner. */
  readonly retryAfter: number
  /** For people. One that was read may have control characters: escape it before a log or a terminal. */
  readonly reason: string
}

export interface FailedFrame {
  readonly type: 'failed'
  /** The number of the token. */
  readonly to: number
  /** What went wrong, by its number on the wire; an unknown one means that the handler failed. */
  readonly code: number
  /** As in GOAWAY. */
  readonly reason: string
}

export interface CloseFrame {
  readonly type: 'close'
  /** The number on the wire, so that an unknown one is not lost; its name: `closeCodeName(code)`. */
  readonly code: number
  /** The final count of tokens handed to the application. */
  readonly handed: number
  /** As in GOAWAY. */
  readonly reason: string
}

const HELLO = 0x81
const WINDOW = 0x82
const PING = 0x83
const PONG = 0x84
const PART = 0x85
const ABORT = 0x86
const ACK = 0x87
const GOAWAY = 0x88
const CLOSE = 0x89
const END = 0x8b
const REQUEST = 0x8c
const ANSWER = 0x8d
const FAILED = 0x8e
const ANSWERED = 0x8f
const BEGUN = 0x90

/** Unknown types below it are ignored. */
const FIRST_CRITICAL_TYPE = 0x80

/** The length of ACK and of WINDOW, bytes, head included. */
export const COUNT_LENGTH = HEADER_LENGTH + 9

/** Bytes of WINDOW, ACK and ANSWERED together. */
export const COUNTS_LENGTH = 3 * COUNT_LENGTH

const COUNT_HEAD = CONTROL_BIT + 9
const OPAQUE_LENGTH = 8
const GOAWAY_LENGTH = 7
const CLOSE_LENGTH = 11
const FAILED_LENGTH = 11
const LOST = closeCodeNumber('lost')

/**
 * Writes a control frame, its head included. A reason is cut to 512 bytes at the boundary of a code point.
 *
 * @throws TokenError `ERR_PROTOCOL` for a value that the peer would have to refuse: an error of this side
 */
export function encodeControl(frame: ControlFrame): Buffer {
  switch (frame.type) {
    case 'ack':
      return encodeCount(ACK, frame.handed, 'handed of ACK')
    case 'window':
      return encodeCount(WINDOW, frame.granted, 'granted of WINDOW')
    case 'part':
      return begin(PART, 1)
    case 'ping':
      return encodeOpaque(PING, frame.opaque)
    case 'pong':
      return encodeOpaque(PONG, frame.opaque)
    case 'abort':
      return begin(ABORT, 1)
    case 'end':
      return begin(END, 1)
    case 'request':
      return begin(REQUEST, 1)
    case 'answer':
      return encodeAnswer(frame.to)
    case 'answered':
      return encodeCount(ANSWERED, frame.count, 'count of ANSWERED')
    case 'begun':
      return encodeCount(BEGUN, frame.count, 'count of BEGUN')
    case 'failed':
      return encodeFailed(frame)
    case 'hello': {
      const result = begin(HELLO, helloLength(frame))
      writeHello(result.subarray(HEADER_LENGTH), frame)
      return result
    }
    case 'goaway':
      return encodeGoaway(frame)
    case 'close':
      return encodeClose(frame)
  }
}

/**
 * Reads a control frame and checks its layout and ranges, not its place in the connection.
 *
 * @param body the n bytes after the head; nothing of it is kept
 * @returns null for an unknown type that a receiver ignores
 * @throws TokenError `ERR_PROTOCOL`; `closeCodeOf` says with which code to close
 */
export function decodeControl(body: Buffer): ControlFrame | null {
  const n = body.length
  if (n === 0 || n > MAX_CONTROL_LENGTH) throw refuse('a control frame', `n is ${n}, the range is 1 to 1024`)
  const type = body[0] as number
  switch (type) {
    case ACK:
      if (n !== 9) throw refuse('ACK', `n is ${n}, not 9`)
      return { type: 'ack', handed: readCount(body, 1, 'handed of ACK') }
    case WINDOW:
      if (n !== 9) throw refuse('WINDOW', `n is ${n}, not 9`)
      return { type: 'window', granted: readCount(body, 1, 'granted of WINDOW') }
    case PART:
      if (n !== 1) throw refuse('PART', `n is ${n}, not 1`)
      return { type: 'part' }
    case PING:
      if (n !== 9) throw refuse('PING', `n is ${n}, not 9`)
      return { type: 'ping', opaque: decodeOpaque(body) }
    case PONG:
      if (n !== 9) throw refuse('PONG', `n is ${n}, not 9`)
      return { type: 'pong', opaque: decodeOpaque(body) }
    case ABORT:
      if (n !== 1) throw refuse('ABORT', `n is ${n}, not 1`)
      return { type: 'abort' }
    case END:
      if (n !== 1) throw refuse('END', `n is ${n}, not 1`)
      return { type: 'end' }
    case REQUEST:
      if (n !== 1) throw refuse('REQUEST', `n is ${n}, not 1`)
      return { type: 'request' }
    case ANSWER:
      if (n !== 9) throw refuse('ANSWER', `n is ${n}, not 9`)
      return { type: 'answer', to: readCount(body, 1, 'to of ANSWER') }
    case ANSWERED:
      if (n !== 9) throw refuse('ANSWERED', `n is ${n}, not 9`)
      return { type: 'answered', count: readCount(body, 1, 'count of ANSWERED') }
    case BEGUN:
      if (n !== 9) throw refuse('BEGUN', `n is ${n}, not 9`)
      return { type: 'begun', count: readCount(body, 1, 'count of BEGUN') }
    case FAILED:
      return decodeFailed(body)
    case HELLO:
      return { type: 'hello', ...readHello(body) }
    case GOAWAY:
      return decodeGoaway(body)
    case CLOSE:
      return decodeClose(body)
    default:
      if (type < FIRST_CRITICAL_TYPE) return null
      throw refuse(
        'a control frame',
        `its type 0x${type.toString(16)} is unknown, only types below 0x80 may be`
      )
  }
}

/** True when ACK, WINDOW or ANSWER stands whole at `offset`; `head` was read there. */
export function isCount(source: Uint8Array, offset: number, head: number): boolean {
  if (head !== COUNT_HEAD || source.length - offset < COUNT_LENGTH) return false
  const type = source[offset + HEADER_LENGTH]
  return type === ACK || type === WINDOW || type === ANSWER
}

/** True when the frame at `offset`, which was found by {@link isCount}, is ANSWER. */
export function isAnswerFrame(source: Uint8Array, offset: number): boolean {
  return source[offset + HEADER_LENGTH] === ANSWER
}

/** True when the frame at `offset`, which was found by {@link isCount}, is ACK. */
export function isAck(source: Uint8Array, offset: number): boolean {
  return source[offset + HEADER_LENGTH] === ACK
}

/** Reads the count of a frame found by {@link isCount}. @throws TokenError `ERR_PROTOCOL` */
export function decodeCount(source: Buffer, offset: number): number {
  return readCount(source, offset + HEADER_LENGTH + 1, fieldOf(source[offset + HEADER_LENGTH] as number))
}

function fieldOf(type: number): string {
  if (type === ACK) return 'handed of ACK'
  return type === WINDOW ? 'granted of WINDOW' : 'to of ANSWER'
}

/** Writes WINDOW at `offset`. @returns where it ends */
export function writeWindow(target: Buffer, offset: number, granted: number): number {
  return putCount(target, offset, WINDOW, granted, 'granted of WINDOW')
}

/** Writes ACK at `offset`. @returns where it ends */
export function writeAck(target: Buffer, offset: number, handed: number): number {
  return putCount(target, offset, ACK, handed, 'handed of ACK')
}

/** Writes ANSWERED at `offset`. @returns where it ends */
export function writeAnswered(target: Buffer, offset: number, count: number): number {
  return putCount(target, offset, ANSWERED, count, 'count of ANSWERED')
}

/** The ANSWER to the token of this number. */
export function encodeAnswer(to: number): Buffer {
  return encodeCount(ANSWER, to, 'to of ANSWER')
}

/** A frame with its head and type, of which the fields are still to be written. */
function begin(type: number, n: number): Buffer {
  const result = Buffer.allocUnsafe(HEADER_LENGTH + n)
  writeHeader(result, 0, CONTROL_BIT | n)
  result[HEADER_LENGTH] = type
  return result
}

function encodeCount(type: number, count: number, field: string): Buffer {
  const result = Buffer.allocUnsafe(COUNT_LENGTH)
  putCount(result, 0, type, count, field)
  return result
}

function putCount(target: Buffer, offset: number, type: number, count: number, field: string): number {
  writeHeader(target, offset, COUNT_HEAD)
  target[offset + HEADER_LENGTH] = type
  writeCount(target, offset + HEADER_LENGTH + 1, count, field)
  return offset + COUNT_LENGTH
}

function encodeOpaque(type: number, opaque: Uint8Array): Buffer {
  if (opaque.length !== OPAQUE_LENGTH) {
    throw protocolError(
      'internal-error',
      `Cannot write PING or PONG: opaque has ${opaque.length} bytes, not 8`
    )
  }
  const result = begin(type, 9)
  result.set(opaque, HEADER_LENGTH + 1)
  return result
}

/** It is a copy: sixteen PONGs owed must not hold sixteen chunks in memory. */
function decodeOpaque(body: Buffer): Uint8Array {
  return new Uint8Array(body.subarray(1, 9))
}

function encodeGoaway({ code, retryAfter, reason }: GoawayFrame): Buffer {
  if (!Number.isInteger(retryAfter) || retryAfter < 0 || retryAfter > 0xffff_ffff) {
    throw protocolError('internal-error', `Cannot write GOAWAY: retryAfter is ${retryAfter} ms, no u32`)
  }
  const result = beginWithReason(GOAWAY, GOAWAY_LENGTH, code, reason, 'GOAWAY')
  result.writeUInt32BE(retryAfter, HEADER_LENGTH + 3)
  return result
}

function decodeGoaway(body: Buffer): GoawayFrame {
  // It judges the length that readUInt32BE relies on.
  const reason = decodeReason(body, GOAWAY_LENGTH, 'GOAWAY')
  return { type: 'goaway', code: decodeCode(body, 'GOAWAY'), retryAfter: body.readUInt32BE(3), reason }
}

function encodeClose({ code, handed, reason }: CloseFrame): Buffer {
  const result = beginWithReason(CLOSE, CLOSE_LENGTH, code, reason, 'CLOSE')
  writeCount(result, HEADER_LENGTH + 3, handed, 'handed of CLOSE')
  return result
}

function decodeClose(body: Buffer): CloseFrame {
  // It judges the length that readCount relies on.
  const reason = decodeReason(body, CLOSE_LENGTH, 'CLOSE')
  return {
    type: 'close',
    code: decodeCode(body, 'CLOSE'),
    handed: readCount(body, 3, 'handed of CLOSE'),
    reason
  }
}

function encodeFailed({ to, code, reason }: FailedFrame): Buffer {
  const result = beginWithReason(FAILED, FAILED_LENGTH, code, reason, 'FAILED')
  writeCount(result, HEADER_LENGTH + 3, to, 'to of FAILED')
  return result
}

function decodeFailed(body: Buffer): FailedFrame {
  // It judges the length that readCount relies on.
  const reason = decodeReason(body, FAILED_LENGTH, 'FAILED')
  return { type: 'failed', code: body.readUInt16BE(1), to: readCount(body, 3, 'to of FAILED'), reason }
}

/** GOAWAY, CLOSE and FAILED begin with a code and end with a reason; the field between them is still to be written. */
function beginWithReason(type: number, length: number, code: number, reason: string, frame: string): Buffer {
  if (!Number.isInteger(code) || code < 0 || code > 0xffff || code === LOST) {
    throw protocolError(
      'internal-error',
      `Cannot write ${frame}: its code is ${code}, no u16 or the code of lost`
    )
  }
  const text = encodeReason(reason)
  const result = begin(type, length + text.length)
  result.writeUInt16BE(code, HEADER_LENGTH + 1)
  result.set(text, HEADER_LENGTH + length)
  return result
}

function decodeCode(body: Buffer, frame: string): number {
  const code = body.readUInt16BE(1)
  if (code === LOST) throw refuse(frame, 'its code is lost, which a side only tells to itself')
  return code
}

function refuse(frame: string, wrong: string) {
  return protocolError('protocol-error', `Cannot read ${frame}: ${wrong}`)
}
