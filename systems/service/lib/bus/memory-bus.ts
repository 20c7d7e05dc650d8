import { BaseBus, type BaseBusOptions, closedError } from './base-bus'

/** Where buses of one process meet, as processes do in Redis: for tests and for several systems in one process. */
export class MemoryHub {
  readonly #buses = new Set<MemoryBus>()

  join(bus: MemoryBus): void {
    this.#buses.add(bus)
  }

  leave(bus: MemoryBus): void {
    this.#buses.delete(bus)
  }

  others(bus: MemoryBus): MemoryBus[] {
    return [...this.#buses].filter(other => other !== bus)
  }
}

/** A bus within one process. It is always up, and has no gaps. */
export class MemoryBus extends BaseBus {
  readonly #hub: MemoryHub

  constructor(options: BaseBusOptions, hub: MemoryHub) {
    super(options)
    this.#hub = hub
    hub.join(this)
    // Nobody can listen yet.
    process.nextTick(() => this.setUp())
  }

  protected get queuedBytes(): number {
    return 0
  }

  flush(): Promise<void> {
    return this.isClosed ? Promise.reject(closedError('flush')) : Promise.resolve()
  }

  close(): Promise<void> {
    if (!this.isClosed) {
      this.isClosed = true
      this.#hub.leave(this)
      this.closed()
    }
    return Promise.resolve()
  }

  protected send(topic: string, _topicBytes: number, payload: Uint8Array): boolean {
    const others = this.#hub.others(this)
    if (others.length === 0) return true
    const copy = Buffer.from(payload)
    // Later, as from another process.
    setImmediate(() => {
      for (const other of others) if (!other.isClosed) other.received(topic, copy, this.id)
    })
    return true
  }
}
