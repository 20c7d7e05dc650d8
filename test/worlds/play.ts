import type { TokenStream } from '../../lib'
import type { Entry } from './ledger'
import type { Chance } from './random'
import type { Talker } from './talker'

/** Where an application that chance leads takes and sends tokens: what it must know of the world around it. */
export interface Play {
  readonly chance: Chance
  readonly clock: { now(): number }
  readonly counts: { handed: number; answered: number }
  readonly setUp: Lengths
  /** Of deliveries that may still be given up. */
  readonly aborts: AbortController[]
  /** Nothing bad happens any more: everything is taken. */
  readonly isHealing: boolean
  /** Both sides end in order, and nothing disturbs them. */
  readonly isClean: boolean
  /** Tells a promise that was broken. */
  fail(why: string): void
  /** False when such an event is left out. */
  has(event: string): boolean
  /** @throws Error when nobody sent it */
  entry(id: string): Entry
  /** An application that is slow goes on some time later. */
  pause(): Promise<void>
  /** What an application does in its listeners. It may throw. */
  inListener(name: string, talker?: Talker | null): void
}

/** The same for one that takes tokens. */
export interface TakingPlay extends Play {
  readonly streams: Set<TokenStream>
  /** Tokens that an application threw away unread with a stream. */
  lostInStreams: number
  /** What takes tokens from now on does it by a stream, where it can. */
  readonly takesByStreams: boolean
}

/** How long tokens are, bytes. */
export interface Lengths {
  readonly outboxBytes: number
  /** Of a thousand tokens so many are of any length, up to the longest that may be joined. */
  readonly longOfThousand: number
  /** Of a token from a stream. */
  readonly longestStream: number
  readonly client: { readonly maxTokenLength: number }
  readonly server: { readonly maxTokenLength: number }
}
