import type { PeerName } from './options'

/** What one peer did in one round. */
export interface RoundResult {
  readonly peer: PeerName
  readonly round: number
  /** Messages a second that were to be published. */
  readonly rate: number
  readonly seconds: number
  /** Messages that were to be published, and were. */
  readonly toSend: number
  readonly sent: number
  /** With QoS 1 and 2: messages that the broker acknowledged. */
  readonly acknowledged: number | undefined
  /** Deliveries that must come of what was sent, and those that came, each once and in order. */
  readonly expected: number
  readonly received: number
  /** Deliveries that came a second time or behind a later one. */
  readonly unordered: number
  /** Deliveries that were changed or came to somebody else. */
  readonly wrong: number
  /** Deliveries of a round before. */
  readonly stale: number
  /** From the last message sent to the last delivery, milliseconds. */
  readonly behind: number
  /** Milliseconds from sending to receiving. */
  readonly p50: number
  readonly p99: number
  /** Of one core, while messages were sent: 0.4 is 40 %. */
  readonly cpu: number
  readonly memoryBytes: number
  /** The most by which a message was sent behind its time, milliseconds. */
  readonly late: number
  /** Whether it was late because the broker took no more. */
  readonly isHeldBack: boolean
}

/** A broker that is so much behind at the end of a round did not keep up, milliseconds. */
const IN_TIME = 500

/** The load that is so much late has measured itself, milliseconds. */
const LOAD_IN_TIME = 100

export function isInTime({ behind, isHeldBack, sent, toSend }: RoundResult): boolean {
  return behind <= IN_TIME && !isHeldBack && sent === toSend
}

/** Of what was sent nothing is missing, doubled, out of order or changed, and all of it is acknowledged. */
export function isComplete({
  received,
  expected,
  unordered,
  wrong,
  sent,
  acknowledged
}: RoundResult): boolean {
  return received === expected && unordered === 0 && wrong === 0 && (acknowledged ?? sent) === sent
}

/** The broker kept up with the rate. */
export function isKeptUp(round: RoundResult): boolean {
  return isInTime(round) && isComplete(round)
}

/** The load could not send in time, for reasons of its own. */
export function isLoadLate({ late, isHeldBack }: RoundResult): boolean {
  return late > LOAD_IN_TIME && !isHeldBack
}
