import { protocolError } from '../errors/token-error'
import { readCount, writeCount } from './fields'
import { WIRE_MAX_TOKEN_LENGTH } from './header'

const VERSION = 2

/** The bits of `Hello.features`. */
export const FEATURE_SESSION = 1
export const FEATURE_ACK = 2
export const FEATURE_PART = 4
export const FEATURE_END = 8
export const FEATURE_STREAM = 16
export const FEATURE_HANDLER = 32

const KNOWN_FEATURES =
  FEATURE_SESSION | FEATURE_ACK | FEATURE_PART | FEATURE_END | FEATURE_STREAM | FEATURE_HANDLER

const STREAM_FIELD = 'maxStreamLength of HELLO'
const ANSWERED_FIELD = 'answered of HELLO'

const U32_MAX = 0xffff_ffff
const LENGTH = 51
const LENGTH_WITH_SESSION = 96
/** Bytes of maxStreamLength, and of answered. */
const COUNT_LENGTH = 8
const ROLES = [undefined, 'client', 'server'] as const
const LOOKUPS = ['request', 'new', 'resumed', 'unknown', 'expired', 'outrun', 'identity'] as const

/** The side that says HELLO: the client dialled, the server accepted. */
export type Role = 'client' | 'server'

/** What became of the session a client asked for; `request` in the client's own HELLO. */
export type SessionLookup = (typeof LOOKUPS)[number]

/** What a side is and what it can take (docs/wire-format.md, section 6, HELLO). */
export interface Hello {
  readonly role: Role
  /** `FEATURE_…` bits; a HELLO that was read may have unknown ones, which mean nothing. */
  readonly features: number
  /** The longest token this side takes, bytes. */
  readonly maxTokenLength: number
  /** Milliseconds; this side gives up after two of these without a byte. 0: never. */
  readonly heartbeat: number
  /** The credit the peer starts with, bytes. */
  readonly receiveWindow: number
  /** SHA-256 of the peer's certificate in DER, 32 bytes; zeros: this side saw none. */
  readonly fingerprint: Buffer
  /** It is there if and only if `features` has `FEATURE_SESSION`, and null otherwise. */
  readonly session: SessionPart | null
  /** The longest token that this side takes in parts, bytes. There if and only if `features` has `FEATURE_STREAM`. */
  readonly maxStreamLength?: number
  /** Answers of the peer that came in this session. There if and only if `features` has SESSION and HANDLER. */
  readonly answered?: number
}

/** The place at which a session goes on (docs/wire-format.md, section 11). */
export interface SessionPart {
  /** 16 bytes; zeros: a new session, please. */
  readonly id: Buffer
  /** 8 bytes, opaque: the life of the server that made the id. */
  readonly epoch: Buffer
  /** Which dial of this session, from 1. */
  readonly generation: number
  /** Whole tokens that came from the peer in this session. */
  readonly received: number
  /** Those of them that the application has processed. */
  readonly handed: number
  readonly lookup: SessionLookup
}

/** @returns the bytes of HELLO after the head */
export function helloLength(hello: Hello): number {
  return answeredAt(hello.features) + (hello.answered === undefined ? 0 : COUNT_LENGTH)
}

function streamAt(features: number): number {
  return features & FEATURE_SESSION ? LENGTH_WITH_SESSION : LENGTH
}

/** The place of answered: behind maxStreamLength, where that is there. */
function answeredAt(features: number): number {
  return streamAt(features) + (features & FEATURE_STREAM ? COUNT_LENGTH : 0)
}

function hasAnswered(features: number): boolean {
  return (features & FEATURE_SESSION) !== 0 && (features & FEATURE_HANDLER) !== 0
}

/** Writes the fields; `body` begins with the type byte and has `helloLength` bytes. */
export function writeHello(body: Buffer, hello: Hello): void {
  const wrong = isOutside(hello.features, 0, KNOWN_FEATURES)
    ? 'features has a bit of no meaning'
    : fault(hello)
  if (wrong !== null) throw protocolError('internal-error', `Cannot write HELLO: ${wrong}`)
  body[1] = VERSION
  body[2] = ROLES.indexOf(hello.role)
  body.writeUInt32BE(hello.features, 3)
  body.writeUInt32BE(hello.maxTokenLength, 7)
  body.writeUInt32BE(hello.heartbeat, 11)
  body.writeUInt32BE(hello.receiveWindow, 15)
  body.set(hello.fingerprint, 19)
  const { features, session, maxStreamLength, answered } = hello
  if (session !== null) writeSession(body, session)
  if (maxStreamLength !== undefined) writeCount(body, streamAt(features), maxStreamLength, STREAM_FIELD)
  if (answered !== undefined) writeCount(body, answeredAt(features), answered, ANSWERED_FIELD)
}

function writeSession(body: Buffer, session: SessionPart): void {
  body.set(session.id, 51)
  body.set(session.epoch, 67)
  body.writeUInt32BE(session.generation, 75)
  writeCount(body, 79, session.received, 'received of HELLO')
  writeCount(body, 87, session.handed, 'handed of HELLO')
  body[95] = LOOKUPS.indexOf(session.lookup)
}

/**
 * Reads a HELLO and judges it alone: its caller knows whether role, fingerprint and session fit the connection. What a later
 * edition has put at its end is ignored.
 *
 * @throws TokenError `ERR_PROTOCOL`, with the wire code `unsupported` for another version
 */
export function readHello(body: Buffer): Hello {
  // The version comes before the length: in another one no other byte has a known meaning.
  if (body.length > 1 && body[1] !== VERSION) {
    throw protocolError(
      'unsupported',
      `Cannot read HELLO: its version is ${body[1]}, this side speaks ${VERSION}`
    )
  }
  if (body.length < LENGTH) throw refuse(`n is ${body.length}, at least ${LENGTH} are needed`)
  const role = ROLES[body[2] as number]
  if (role === undefined) throw refuse(`role is ${body[2]}, neither 1 nor 2`)
  const features = body.readUInt32BE(3)
  const hello: Hello = {
    role,
    features,
    maxTokenLength: body.readUInt32BE(7),
    heartbeat: body.readUInt32BE(11),
    receiveWindow: body.readUInt32BE(15),
    fingerprint: copy(body, 19, 51),
    session: features & FEATURE_SESSION ? readSession(body) : null,
    ...(features & FEATURE_STREAM && {
      maxStreamLength: readAt(body, streamAt(features), STREAM_FIELD, 'STREAM')
    }),
    ...(hasAnswered(features) && {
      answered: readAt(body, answeredAt(features), ANSWERED_FIELD, 'SESSION and HANDLER')
    })
  }
  const wrong = fault(hello)
  if (wrong !== null) throw refuse(wrong)
  return hello
}

function readSession(body: Buffer): SessionPart {
  if (body.length < LENGTH_WITH_SESSION) {
    throw refuse(`n is ${body.length}, with SESSION at least ${LENGTH_WITH_SESSION} are needed`)
  }
  const lookup = LOOKUPS[body[95] as number]
  if (lookup === undefined) throw refuse(`lookup is ${body[95]}, above 6`)
  return {
    id: copy(body, 51, 67),
    epoch: copy(body, 67, 75),
    generation: body.readUInt32BE(75),
    received: readCount(body, 79, 'received of HELLO'),
    handed: readCount(body, 87, 'handed of HELLO'),
    lookup
  }
}

function readAt(body: Buffer, start: number, field: string, feature: string): number {
  const end = start + COUNT_LENGTH
  if (body.length < end) throw refuse(`n is ${body.length}, with ${feature} at least ${end} are needed`)
  return readCount(body, start, field)
}

/** The first rule that `hello` breaks, as the end of a message, or null. One list for both directions. */
function fault(hello: Hello): string | null {
  const { features, maxTokenLength, heartbeat, receiveWindow, session } = hello
  if (isOutside(maxTokenLength, 0, WIRE_MAX_TOKEN_LENGTH)) {
    return `maxTokenLength is ${maxTokenLength}, the range is 0 to 2^31 - 1`
  }
  if (heartbeat !== 0 && isOutside(heartbeat, 100, 86_400_000)) {
    return `heartbeat is ${heartbeat} ms, the range is 0, or 100 to 86400000`
  }
  if (isOutside(receiveWindow, 0, U32_MAX)) {
    return `receiveWindow is ${receiveWindow}, the range is 0 to 2^32 - 1`
  }
  if (hello.fingerprint.length !== 32) return `fingerprint has ${hello.fingerprint.length} bytes, not 32`
  const hasStream = (features & FEATURE_STREAM) !== 0
  if (hasStream !== (hello.maxStreamLength !== undefined)) return 'STREAM and maxStreamLength go together'
  if (hasStream && (features & FEATURE_PART) === 0) return 'STREAM without PART'
  if (hasAnswered(features) !== (hello.answered !== undefined))
    return 'answered goes with SESSION and HANDLER'
  if ((features & FEATURE_HANDLER) !== 0 && (features & FEATURE_ACK) === 0) return 'HANDLER without ACK'
  if ((features & FEATURE_SESSION) === 0) return session === null ? null : 'a session part without SESSION'
  if (session === null) return 'SESSION without a session part'
  if ((features & FEATURE_ACK) === 0) return 'SESSION without ACK'
  return sessionFault(session) ?? (hello.role === 'client' ? requestFault(session) : answerFault(session))
}

function sessionFault({ id, epoch, generation, received, handed }: SessionPart): string | null {
  if (id.length !== 16) return `the session id has ${id.length} bytes, not 16`
  if (epoch.length !== 8) return `epoch has ${epoch.length} bytes, not 8`
  if (isOutside(generation, 1, U32_MAX)) return `generation is ${generation}, the range is 1 to 2^32 - 1`
  return handed > received ? `handed is ${handed}, received is ${received}` : null
}

function requestFault({ id, epoch, received, lookup }: SessionPart): string | null {
  if (lookup !== 'request') return `lookup is ${lookup} from a client`
  if (!isZero(id)) return null
  return received > 0 || !isZero(epoch) ? 'a new session has an epoch or counts' : null
}

function answerFault({ id, received, lookup }: SessionPart): string | null {
  if (lookup === 'request') return 'lookup is request from a server'
  if (isZero(id)) return 'the session id is zero from a server'
  return received > 0 && lookup !== 'resumed' ? `lookup is ${lookup}, received is ${received}` : null
}

function refuse(wrong: string) {
  return protocolError('protocol-error', `Cannot read HELLO: ${wrong}`)
}

function isOutside(value: number, lowest: number, highest: number): boolean {
  return !Number.isInteger(value) || value < lowest || value > highest
}

function isZero(bytes: Buffer): boolean {
  return bytes.every(byte => byte === 0)
}

/** A HELLO outlives the chunk that it came in. */
function copy(body: Buffer, start: number, end: number): Buffer {
  return Buffer.from(body.subarray(start, end))
}
