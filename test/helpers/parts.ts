import { bytes, frame } from './bytes'

const PART = bytes('80 00 00 01 85')
const ABORT = bytes('80 00 00 01 86')

/** A token as it is sent: its parts, the last of them whole or aborted. */
export interface SentToken {
  readonly parts: readonly Buffer[]
  readonly isAborted: boolean
}

export function whole(...parts: (Buffer | string)[]): SentToken {
  return { parts: parts.map(part => Buffer.from(part as Buffer)), isAborted: false }
}

/** All parts of it are followed by others, which never come. */
export function aborted(...parts: (Buffer | string)[]): SentToken {
  return { parts: parts.map(part => Buffer.from(part as Buffer)), isAborted: true }
}

/** The bytes of a token, written without the library. */
export function encode({ parts, isAborted }: SentToken): Buffer {
  const pieces = parts.flatMap((part, i) =>
    isAborted || i < parts.length - 1 ? [PART, frame(part)] : [frame(part)]
  )
  return Buffer.concat(isAborted ? [...pieces, ABORT] : pieces)
}

/** What a token costs of the credit. */
export function costOfSent({ parts, isAborted }: SentToken): number {
  return parts.reduce((sum, part) => sum + part.length + 4, isAborted ? 4 : 0)
}

/** The same token cut into other parts. */
export function recut(token: SentToken, size: number): SentToken {
  const all = Buffer.concat(token.parts)
  const parts: Buffer[] = []
  for (let at = 0; at < all.length; at += size) parts.push(all.subarray(at, at + size))
  return { parts: parts.length === 0 ? [all] : parts, isAborted: token.isAborted }
}
