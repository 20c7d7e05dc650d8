const TOPIC = 0
const NUMBER = 4
const ROUND = 8
const SENT_AT = 12
const FILLER = 20

/** Bytes. */
export const SMALLEST_PAYLOAD = FILLER

/** Milliseconds of the machine's monotonic clock, the same in all processes. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** What a message says of itself, so that whoever receives it can tell whether it is the right one, whole, and how old. */
export interface Payload {
  readonly topic: number
  /** Counts the messages of a topic in a round, from 1. */
  readonly number: number
  readonly round: number
  readonly sentAt: number
}

/** Writes a payload into `length` bytes. */
export function writePayload(bytes: Buffer, start: number, length: number, payload: Payload): void {
  bytes.writeUInt32BE(payload.topic, start + TOPIC)
  bytes.writeUInt32BE(payload.number, start + NUMBER)
  bytes.writeUInt32BE(payload.round, start + ROUND)
  bytes.writeDoubleBE(payload.sentAt, start + SENT_AT)
  fillerOf(length).copy(bytes, start + FILLER)
}

export function roundIn(bytes: Buffer, start: number): number {
  return bytes.readUInt32BE(start + ROUND)
}

export function topicIn(bytes: Buffer, start: number): number {
  return bytes.readUInt32BE(start + TOPIC)
}

export function numberIn(bytes: Buffer, start: number): number {
  return bytes.readUInt32BE(start + NUMBER)
}

export function sentAtIn(bytes: Buffer, start: number): number {
  return bytes.readDoubleBE(start + SENT_AT)
}

/** Whether the bytes from `start` to `end` are a payload of `length` bytes that nobody changed. */
export function isWhole(bytes: Buffer, start: number, end: number, length: number): boolean {
  return (
    end - start === length && bytes.compare(fillerOf(length), 0, length - FILLER, start + FILLER, end) === 0
  )
}

let filler = Buffer.alloc(0)

function fillerOf(length: number): Buffer {
  if (filler.length !== length - FILLER) {
    filler = Buffer.from(Array.from({ length: length - FILLER }, (_, index) => (index * 31 + 7) & 0xff))
  }
  return filler
}
