import { type Checks, isCount, isTime } from '../options/check-options'

/** What a link bears; every number of it is finite. */
export interface LinkLimits {
  /** Bytes of a frame, sent or received; a longer one from the other side ends the link. Default 1 MiB + 4 KiB. */
  readonly maxFrameBytes: number
  /** Bytes waiting from which `send` answers false; `onDrain` is told at half of it. Default 256 KiB. */
  readonly highWaterBytes: number
  /** Bytes waiting above which the link is closed: the other side does not read. Default 16 MiB. */
  readonly maxBufferedBytes: number
  /** Milliseconds between two signs of life that are asked for; without one the link is closed. Default 15,000. */
  readonly heartbeat: number
}

export const LINK_LIMITS: LinkLimits = Object.freeze({
  maxFrameBytes: 1_048_576 + 4_096,
  highWaterBytes: 262_144,
  maxBufferedBytes: 16_777_216,
  heartbeat: 15_000
})

export const LINK_LIMITS_CHECKS: Checks<LinkLimits> = {
  maxFrameBytes: isCount,
  highWaterBytes: isCount,
  maxBufferedBytes: isCount,
  heartbeat: isTime
}

/** Milliseconds until a dial must have got through: the name, TCP, TLS and the greeting. */
export const CONNECT_TIMEOUT = 10_000

/** Milliseconds that the other side has to answer a close before the connection is cut. */
export const CLOSE_TIMEOUT = 2_000
