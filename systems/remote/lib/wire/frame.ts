import { concat, utf8 } from '../encoding/bytes'

/** docs/frames.md draws each. A number never changes its meaning; a new meaning gets a new number. */
export const FrameKind = {
  /** client → device: say a fresh public key. */
  ask: 1,
  /** device → client: a fresh public key. */
  hello: 2,
  /** client → device: the encapsulated secret, and the client's own fresh public key, sealed. */
  start: 3,
  /** device → client: the encapsulated secret of the way back, and a first sealed message. */
  accept: 4,
  /** Both ways: sealed messages, one batch. */
  sealed: 5,
  /** device → client: it can't open what came. A relay can forge it. */
  refuse: 6,
  /** Both ways: the sender has forgotten this session. A relay can forge it. */
  forgotten: 7,
  /** One sealed request without a connection, and its answer. */
  onceRequest: 8,
  onceAnswer: 9,
  /** From here on: between a relay, or the listener of a device, and those connected to it. In clear, JSON. */
  control: 128,
  /**
   * Between a relay and a device: a whole frame in the body, `onceRequest` or `onceAnswer`, which say nothing of who asks. The client id
   * of this one is the relay's word for it.
   */
  carried: 129
} as const
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind]

export const FRAME_VERSION = 2
export const SESSION_LENGTH = 8
/** Characters of a device id, a client id and a key id. */
export const MAX_ID_LENGTH = 64

/** What a relay sees of a frame, beside its size. All of it is authenticated by what is sealed. */
export interface Header {
  readonly kind: FrameKind
  /** Letters, digits, `-` and `_`, at most 64, as the ids below; may be empty where it says nothing. */
  readonly device: string
  readonly client: string
  /** Of the key under which the session began. */
  readonly key: string
  /** 8 bytes that the client chose for the session; zeros where there is none. */
  readonly session: Uint8Array
}

export interface Frame extends Header {
  /** The bytes of the header: the additional data of what is sealed. */
  readonly aad: Uint8Array
  readonly body: Uint8Array
}

export const NO_SESSION = new Uint8Array(SESSION_LENGTH)

const kinds = new Set<number>(Object.values(FrameKind))
const ID = /^[\w-]{0,64}$/

/** @throws RangeError for an id that {@link decodeFrame} would not take */
export function encodeHeader({ kind, device, client, key, session }: Header): Uint8Array<ArrayBuffer> {
  const ids = [device, client, key].map(id => {
    if (!ID.test(id)) throw new RangeError('an id has letters, digits, - and _, at most 64')
    return concat(Uint8Array.of(id.length), utf8(id))
  })
  if (session.length !== SESSION_LENGTH) throw new RangeError('the id of a session has 8 bytes')
  return concat(Uint8Array.of(FRAME_VERSION, kind), ...ids, session)
}

export function encodeFrame(header: Header, body: Uint8Array): Uint8Array<ArrayBuffer> {
  return concat(encodeHeader(header), body)
}

/** @returns undefined for what is no frame of this version */
export function decodeFrame(bytes: Uint8Array): Frame | undefined {
  const kind = bytes[1]
  if (bytes[0] !== FRAME_VERSION || kind === undefined || !kinds.has(kind)) return undefined
  let end = 2
  for (let index = 0; index < 3; index++) {
    const length = bytes[end] ?? MAX_ID_LENGTH + 1
    if (length > MAX_ID_LENGTH) return undefined
    end += 1 + length
  }
  const session = end
  end += SESSION_LENGTH
  if (end > bytes.length) return undefined
  const place = (bytes[session] as number) % MAX_RECENT
  const known = recent[place]
  const header = known !== undefined && isHeader(bytes, known.aad, end) ? known : readHeader(bytes, end)
  if (header === undefined) return undefined
  recent[place] = header
  const { device, client, key } = header
  return {
    kind: kind as FrameKind,
    device,
    client,
    key,
    session: bytes.subarray(session, end),
    aad: bytes.subarray(0, end),
    body: bytes.subarray(end)
  }
}

type Ids = Pick<Frame, 'device' | 'client' | 'key' | 'aad'>

/** Headers that came lately: those of one session differ in their kind alone, and reading ids takes longer than comparing them. */
const recent: (Ids | undefined)[] = []
const MAX_RECENT = 64

function isHeader(bytes: Uint8Array, known: Uint8Array, end: number): boolean {
  if (known.length !== end) return false
  for (let index = 2; index < end; index++) if (bytes[index] !== known[index]) return false
  return true
}

/** @param end where the header ends; the lengths in it are good */
function readHeader(bytes: Uint8Array, end: number): Ids | undefined {
  const ids: string[] = []
  for (let start = 2; ids.length < 3; ) {
    const next = start + 1 + (bytes[start] as number)
    const text = String.fromCharCode(...bytes.subarray(start + 1, next))
    if (!ID.test(text)) return undefined
    ids.push(text)
    start = next
  }
  const [device, client, key] = ids as [string, string, string]
  // A copy: it outlives the frame.
  return { device, client, key, aad: bytes.slice(0, end) }
}

export function isId(text: string): boolean {
  return text !== '' && ID.test(text)
}
