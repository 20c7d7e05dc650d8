import {
  ABORT_COST,
  CONTROL_BIT,
  HEADER_LENGTH,
  isMark,
  MARK_LENGTH,
  readHeader,
  TYPE_ABORT
} from '../wire/header'

/** Where a reader stands in the frame at hand. */
export interface FramePlace {
  /** The first bytes of a head, of which `headFilled` are there. */
  readonly head: Uint8Array
  readonly headFilled: number
  /** Bytes that are missing of the data frame at hand, -1 while a head is awaited. */
  readonly left: number
  /** The data frame at hand, or the next one, is not the last of its token. */
  readonly isPart: boolean
}

/** What waits, up to the end of its last whole token. */
export interface FrameScan {
  /** Whole tokens, aborted ones included; the first may have begun before. */
  readonly tokens: number
  /** Bytes of them. */
  readonly end: number
  /** What they cost of the credit. */
  readonly cost: number
}

/** Walks over chunks that wait, and leaves them as they are. The bytes were judged before. */
export function scanFrames(place: FramePlace, chunks: Iterable<Buffer>): FrameScan {
  const head = new Uint8Array(MARK_LENGTH)
  head.set(place.head)
  let { headFilled, left, isPart } = place
  /** Bytes so far, with those of the head that the reader has taken; and how many of them cost nothing. */
  let seen = headFilled
  let free = 0
  let result = { tokens: 0, end: 0, cost: 0 }
  const endToken = () => {
    isPart = false
    result = { tokens: result.tokens + 1, end: seen - place.headFilled, cost: seen - free }
  }
  const endFrame = () => {
    left = -1
    if (isPart) isPart = false
    else endToken()
  }
  // An empty frame that was entered: no byte of it will come.
  if (left === 0) endFrame()
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      if (left < 0) {
        head[headFilled++] = chunk[at++] as number
        seen++
        if (headFilled === MARK_LENGTH) {
          headFilled = 0
          const isAbort = head[HEADER_LENGTH] === TYPE_ABORT
          free += isAbort ? MARK_LENGTH - ABORT_COST : MARK_LENGTH
          if (isAbort) endToken()
          else isPart = true
        } else if (headFilled === HEADER_LENGTH && !isMark(readHeader(head, 0))) {
          left = readHeader(head, 0)
          headFilled = 0
          // No token comes whole behind bytes that are no frame.
          if (left >= CONTROL_BIT) return result
        }
      } else {
        const length = Math.min(left, chunk.length - at)
        at += length
        seen += length
        left -= length
      }
      if (left === 0) endFrame()
    }
  }
  return result
}
