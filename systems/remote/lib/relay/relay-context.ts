import type { CipherSuite } from 'hpke'
import type { InvitationBoard } from '../codes/invitation-board'
import type { Places } from '../quotas/places'
import type { WaitingBytes } from '../quotas/waiting-bytes'
import type { RelayCounters } from './relay-counters'
import type { RelayLimits } from './relay-limits'

/** Where a relay writes what happens, as pino has it. No body of a frame, no token and no proof is given to it. */
export interface RelayLog {
  debug(about: object, words: string): void
  info(about: object, words: string): void
  warn(about: object, words: string): void
}

export const NO_LOG: RelayLog = { debug: () => {}, info: () => {}, warn: () => {} }

/** What all parts of one relay share. */
export interface RelayContext {
  /** On the bus. */
  readonly relayId: string
  readonly suite: CipherSuite
  readonly limits: RelayLimits
  readonly counters: RelayCounters
  readonly log: RelayLog
  readonly waiting: WaitingBytes
  /** Connections that have not said who they are. */
  readonly newcomers: Places
  readonly board: InvitationBoard
}
