import type { BenchOptions } from './options'

/**
 * Who subscribes to which topic. Topics are numbered from 0. Connections come in groups as large as the fan-out; those of a group have
 * the same topics, as many as each connection has subscriptions.
 */
export class Topics {
  readonly count: number
  readonly fanOut: number
  /** Subscriptions of one connection. */
  readonly each: number

  constructor({
    connections,
    subscriptions,
    fanOut
  }: Pick<BenchOptions, 'connections' | 'subscriptions' | 'fanOut'>) {
    this.fanOut = fanOut
    this.each = subscriptions / connections
    this.count = subscriptions / fanOut
  }

  /** The first topic of a connection. */
  firstOf(connection: number): number {
    return Math.floor(connection / this.fanOut) * this.each
  }

  /** A device may subscribe below its own id; the topics of many are granted by their tokens. */
  nameOf(topic: number): string {
    if (this.fanOut > 1) return `room/${topic}`
    return `${userOf(Math.floor(topic / this.each))}_t${topic % this.each}`
  }

  /** What the token of a connection must grant. */
  get grant(): { subscribe?: string[] } {
    return this.fanOut > 1 ? { subscribe: ['room/+'] } : {}
  }
}

/** The user of a connection. */
export function userOf(connection: number): string {
  return String(1_000_000 + connection)
}
