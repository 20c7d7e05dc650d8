import { ABORT_COST, CONTROL_BIT, costOf, isMark, TYPE_ABORT, TYPE_PART } from '../wire/header'
import { type ByteCursor, NO_HEAD } from './byte-cursor'

/** The place of a reader in the token at hand. */
export interface TokenPlace {
  /** Bytes that are missing of the data frame at hand, -1 while a head is awaited. */
  readonly left: number
  /** The data frame at hand, or the next one, is not the last of its token. */
  readonly isPart: boolean
}

/** What waits, up to the end of its last whole token. */
export interface WaitingTokens {
  /** Whole tokens, aborted ones included; the first may have begun before. */
  readonly tokens: number
  /** Bytes of them. */
  readonly end: number
  /** What they cost of the credit. */
  readonly cost: number
}

/** @param cursor at what waits, which is used up; the bytes were judged before */
export function scanTokens({ left, isPart }: TokenPlace, cursor: ByteCursor): WaitingTokens {
  const { unreadBytes } = cursor
  let cost = Math.max(left, 0)
  let result = { tokens: 0, end: 0, cost: 0 }
  const endToken = () => {
    isPart = false
    result = { tokens: result.tokens + 1, end: unreadBytes - cursor.unreadBytes, cost }
  }
  for (;;) {
    if (left < 0) {
      const head = cursor.findHead()
      // No token comes whole behind bytes that are no frame.
      if (head === NO_HEAD || (head >= CONTROL_BIT && !isMark(head))) return result
      if (isMark(head)) {
        if (!cursor.hasBytes()) return result
        const type = cursor.takeByte()
        if (type === TYPE_ABORT) {
          cost += ABORT_COST
          endToken()
        } else if (type === TYPE_PART) {
          isPart = true
        }
      } else {
        left = head
        cost += costOf(left)
      }
      cursor.endHead()
    }
    while (left > 0 && cursor.hasBytes()) left -= cursor.take(left).length
    if (left > 0) return result
    if (left === 0) {
      left = -1
      if (isPart) isPart = false
      else endToken()
    }
  }
}
