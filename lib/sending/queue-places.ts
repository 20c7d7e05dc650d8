import { costOf, HEADER_LENGTH } from '../wire/header'
import { Request } from './request'
import { TokenSource } from './token-source'

/** A token as it waits: its bytes, alone or with the wish for an answer, or the stream that they come from. */
export type QueuedToken = Uint8Array | Request | TokenSource

/** A token in its place. */
export interface Placed {
  readonly place: number
  readonly token: QueuedToken
  /** Bytes that it had when it was taken: its memory may have gone away. */
  readonly length: number
}

/** Stands in a place whose token is done with, or was taken back, so that its memory is free. */
export const GONE = new Uint8Array(0)

/** The most arrays of places that are kept for later, and the most places that one of them may have. */
const MAX_KEPT = 16
const MAX_PLACES = 16 * 1024

/**
 * What stands in the places of a queue: the tokens, and what each cost when it was taken.
 *
 * All queues share some that are kept: a queue has places while something is in it. Arrays that grow with each burst
 * cost more than to write their places.
 */
export class QueuePlaces {
  /** The places of a queue that is empty; nobody writes to them. */
  static readonly none = new QueuePlaces()
  static readonly #kept: QueuePlaces[] = []
  readonly tokens: QueuedToken[] = []
  readonly costs: number[] = []

  /** @returns places that may all be written */
  static take(): QueuePlaces {
    return QueuePlaces.#kept.pop() ?? new QueuePlaces()
  }

  /** @param places which hold nothing alive any more */
  static give(places: QueuePlaces): void {
    const isKept = places !== QueuePlaces.none && places.tokens.length <= MAX_PLACES
    if (isKept && QueuePlaces.#kept.length < MAX_KEPT) QueuePlaces.#kept.push(places)
  }

  move(from: number, to: number): void {
    this.tokens[to] = this.tokens[from] as QueuedToken
    this.costs[to] = this.costs[from] as number
  }

  /** Moves those up to `end` to the front, over the first `count`. */
  shift(count: number, end: number): void {
    // splice() would make two arrays of what is gone.
    for (let from = count; from < end; from++) this.move(from, from - count)
    this.tokens.fill(GONE, end - count, end)
  }

  /** @returns what the tokens of these places cost together, bytes */
  costBetween(start: number, end: number): number {
    let sum = 0
    for (let index = start; index < end; index++) sum += this.costs[index] as number
    return sum
  }

  /** @returns bytes that a session keeps of this token: a stream's can't be sent again */
  keptCost(index: number): number {
    return isStreamed(this.tokens[index]) ? 0 : (this.costs[index] as number)
  }

  /** @returns the tokens of these places, as they were taken. @param base the place of the first entry */
  placed(start: number, end: number, base: number): Placed[] {
    const placed: Placed[] = []
    for (let index = start; index < end; index++) {
      const token = this.tokens[index] as QueuedToken
      const length = (this.costs[index] as number) - HEADER_LENGTH
      if (token !== GONE) placed.push({ place: base + index, token, length })
    }
    return placed
  }

  /** Nobody will write those of these places. */
  letGo(start: number, end: number): void {
    for (let index = start; index < end; index++) letGo(this.tokens[index] as QueuedToken)
  }
}

export function isStreamed(token: QueuedToken | undefined): token is TokenSource {
  return token instanceof TokenSource
}

/** A token that is bytes and nothing else. */
export function isPlain(token: QueuedToken): token is Uint8Array {
  return !(token instanceof TokenSource || token instanceof Request)
}

/** @returns bytes of a token's frame, as far as they wait with it: those of a stream wait elsewhere */
export function waitingCost(token: QueuedToken): number {
  return isStreamed(token) ? HEADER_LENGTH : costOf(token.length)
}

/** Nobody will write it. */
export function letGo(token: QueuedToken): void {
  if (isStreamed(token)) token.release()
}
