import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type Checks, isCount, isTime } from '../options/check-options'
import { networkOf } from '../quotas/network-of'
import { type Guest, Places } from '../quotas/places'
import { Rates } from '../quotas/rates'

/** Bounds of what can be made of a listener by those who connect to it, first of all by those that have shown no key. */
export interface VisitorLimits {
  /** Connections at once. Default 2,000. */
  readonly maxConnections?: number | undefined
  /**
   * Of those, connections that have not shown a key. For each further one the one that has been there longest is cut, of the address that
   * has most of them. Default: a quarter of `maxConnections`.
   */
  readonly maxUnproven?: number | undefined
  /** Of those, connections of one address. Default: half of `maxUnproven`. */
  readonly maxUnprovenPerAddress?: number | undefined
  /** Milliseconds in which a connection must have a session, or have another one. Default 60,000. */
  readonly proofTimeout?: number | undefined
  /** How often one address may connect a second in the long run; ten times as often at once. Default 200. */
  readonly maxConnectRatePerAddress?: number | undefined
  /**
   * Frames and requests a second that an address may send without a session; ten times as many may come at once. What leads to a session
   * does not count. Default 100.
   */
  readonly maxUnprovenRatePerAddress?: number | undefined
}

/** Where connections are accepted so many more are: those that were destroyed still count there for a moment. */
export const LEAVING = 256

export const VISITOR_CHECKS: Checks<VisitorLimits> = {
  maxConnections: isCount,
  maxUnproven: isCount,
  maxUnprovenPerAddress: isCount,
  proofTimeout: isTime,
  maxConnectRatePerAddress: isCount,
  maxUnprovenRatePerAddress: isCount
}

/** The connections of a listener, of a device or of a relay: those that have shown a key, and a bounded number of others, who make room for each other. */
export class Visitors {
  readonly limits: { readonly [name in keyof VisitorLimits]-?: number }
  readonly #unproven: Places
  readonly #connects: Rates
  readonly #asks: Rates
  readonly #bySocket = new WeakMap<Duplex, Visitor>()
  #proven = 0

  constructor(limits: VisitorLimits = {}) {
    const maxConnections = limits.maxConnections ?? 2_000
    const maxUnproven = limits.maxUnproven ?? Math.ceil(maxConnections / 4)
    this.limits = {
      maxConnections,
      maxUnproven,
      maxUnprovenPerAddress: limits.maxUnprovenPerAddress ?? Math.ceil(maxUnproven / 2),
      proofTimeout: limits.proofTimeout ?? 60_000,
      maxConnectRatePerAddress: limits.maxConnectRatePerAddress ?? 200,
      maxUnprovenRatePerAddress: limits.maxUnprovenRatePerAddress ?? 100
    }
    this.#unproven = new Places(maxUnproven, this.limits.maxUnprovenPerAddress)
    this.#connects = new Rates(this.limits.maxConnectRatePerAddress)
    this.#asks = new Rates(this.limits.maxUnprovenRatePerAddress)
  }

  get size(): { readonly proven: number; readonly unproven: number } {
    return { proven: this.#proven, unproven: this.#unproven.size }
  }

  /** @returns undefined: the socket was destroyed */
  enter(socket: Socket): Visitor | undefined {
    // It was reset before anybody looked, and tells its end no more.
    if (socket.destroyed) return undefined
    const network = networkOf(socket.remoteAddress)
    const isFull = this.#proven + this.#unproven.size >= this.limits.maxConnections
    if (!this.#connects.take(network) || (isFull && this.#unproven.size === 0)) {
      socket.destroy()
      return undefined
    }
    if (isFull) this.#unproven.makeRoom()
    const visitor = new Visitor(socket, network, this)
    this.#bySocket.set(socket, visitor)
    this.#unproven.enter(visitor)
    return visitor
  }

  of(socket: Duplex): Visitor | undefined {
    return this.#bySocket.get(socket)
  }

  /** Somebody sends what no session protects. @returns false: the address has sent too much */
  mayAsk(network: string): boolean {
    return this.#asks.take(network)
  }

  /** One who asked shows a key by that: so many do not count. */
  hasShownKey(network: string, count = 1): void {
    this.#asks.give(network, count)
  }

  // What a visitor tells.

  proved(visitor: Visitor, taken: number): void {
    this.#unproven.leave(visitor)
    this.#proven++
    this.hasShownKey(visitor.network, taken)
  }

  lost(visitor: Visitor): void {
    this.#proven--
    this.#unproven.enter(visitor)
  }

  left(visitor: Visitor): void {
    if (visitor.isProven) this.#proven--
    else this.#unproven.leave(visitor)
  }
}

/** One connection. */
export class Visitor implements Guest {
  readonly network: string
  readonly #socket: Socket
  readonly #visitors: Visitors
  #taken = 0
  #isProven = false

  constructor(socket: Socket, network: string, visitors: Visitors) {
    this.network = network
    this.#socket = socket
    this.#visitors = visitors
    socket.once('close', () => visitors.left(this))
  }

  get isProven(): boolean {
    return this.#isProven
  }

  get proofTimeout(): number {
    return this.#visitors.limits.proofTimeout
  }

  /** @returns false: it, or another connection of the same address, has sent too much without a session */
  mayAsk(): boolean {
    if (!this.#visitors.mayAsk(this.network)) return false
    this.#taken++
    return true
  }

  /** It has shown a key, and keeps its place. */
  proved(): void {
    if (this.#isProven || this.#socket.destroyed) return
    this.#isProven = true
    this.#visitors.proved(this, this.#taken)
    this.#taken = 0
  }

  /** Its key was taken back. */
  lost(): void {
    if (!this.#isProven || this.#socket.destroyed) return
    this.#isProven = false
    this.#visitors.lost(this)
  }

  displaced(): void {
    this.#socket.destroy()
  }
}
