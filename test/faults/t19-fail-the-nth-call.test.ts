import { once } from 'node:events'
import { Duplex, duplexPair } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { expect } from 'chai'
import { Connection, TokenClient, TokenServer } from '../../lib'
import { figures } from '../helpers/figures'
import { clientOptions, portOf, serverOptions, until } from '../helpers/loopback'

/** Counts calls, and fails the n-th. */
class Fault {
  calls = 0
  readonly #failing: number

  constructor(failing: number) {
    this.#failing = failing
  }

  get hasStruck(): boolean {
    return this.calls >= this.#failing
  }

  strikes(): boolean {
    return ++this.calls === this.#failing
  }

  error(): NodeJS.ErrnoException {
    return Object.assign(new Error('of the fault'), { code: 'EIO' })
  }
}

/** Hands everything on to another Duplex, until the fault strikes. */
class FaultyDuplex extends Duplex {
  readonly #inner: Duplex
  readonly #far: Duplex
  readonly #fault: Fault
  readonly #how: string

  constructor([inner, far]: [Duplex, Duplex], fault: Fault, how: string) {
    super({ allowHalfOpen: true })
    this.#inner = inner
    this.#far = far
    this.#fault = fault
    this.#how = how
    inner.on('data', chunk => {
      if (!this.push(chunk)) inner.pause()
    })
    inner.on('end', () => this.push(null))
    inner.on('error', error => this.destroy(error))
    inner.on('close', () => this.destroy())
    inner.pause()
  }

  override _read(): void {
    this.#strike('read')
    this.#inner.resume()
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#strike('write', done)) return
    this.#inner.write(chunk, encoding, done)
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.#strike('final', done)) return
    this.#inner.end(done)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#inner.destroy()
    // The other end of a pair in memory learns of a destroy by nothing.
    this.#far.destroy()
    if (this.#how === 'destroy' && this.#fault.strikes()) done(this.#fault.error())
    else done(error)
  }

  #strike(what: string, done?: (error: Error) => void): boolean {
    if (this.#how !== what && this.#how !== `${what} throws`) return false
    if (!this.#fault.strikes()) return false
    const error = this.#fault.error()
    if (this.#how !== what) throw error
    if (done) done(error)
    else this.destroy(error)
    return true
  }
}

describe('T19 the n-th call fails', () => {
  /** What a run left, beside the faults themselves. */
  interface Outcome {
    calls: number
    hasStruck: boolean
    closes: Record<string, number>
    uncaught: unknown[]
  }

  /** Runs with mocha's own handlers of uncaught exceptions set aside. */
  async function withoutMocha(run: (uncaught: unknown[]) => Promise<void>): Promise<unknown[]> {
    const uncaught: unknown[] = []
    const note = (error: unknown) => uncaught.push(error)
    const events = ['uncaughtException', 'unhandledRejection'] as const
    const before = events.map(event => process.listeners(event as 'uncaughtException'))
    for (const event of events) {
      process.removeAllListeners(event)
      process.on(event, note)
    }
    try {
      await run(uncaught)
    } finally {
      for (const [i, event] of events.entries()) {
        process.removeAllListeners(event)
        for (const listener of before[i] ?? []) process.on(event, listener as never)
      }
    }
    return uncaught
  }

  /** For each n up to the number of calls: `run`, and what it left is what was there before. */
  async function failEach(run: (fault: Fault) => Promise<Outcome>, faultsThrow = false): Promise<void> {
    await run(new Fault(Infinity))
    const before = process.getActiveResourcesInfo().length
    const { calls } = await run(new Fault(Infinity))
    expect(calls, 'calls of this kind').to.be.greaterThan(0)
    for (let n = 1; n <= calls; n++) {
      const outcome = await run(new Fault(n))
      for (const [name, count] of Object.entries(outcome.closes)) {
        expect(count, `close of ${name} when call ${n} of ${calls} fails`).to.equal(1)
      }
      const strange = outcome.uncaught.filter(error => (error as Error)?.message !== 'of the fault')
      expect(strange, `call ${n} of ${calls}`).to.deep.equal([])
      if (!faultsThrow) expect(outcome.uncaught, `call ${n} of ${calls}`).to.deep.equal([])
    }
    figures(`${calls} calls failed one by one`)
    await until(() => process.getActiveResourcesInfo().length <= before)
  }

  /** Tokens small and large there and back over memory, then an end in order. */
  async function echoOverMemory(
    how: string,
    fault: Fault,
    listener: <T extends unknown[]>(name: string, act: (...args: T) => void) => (...args: T) => void = (
      _name,
      act
    ) => act
  ): Promise<Outcome> {
    const closes: Record<string, number> = { left: 0, right: 0 }
    const uncaught = await withoutMocha(async () => {
      const [a, b] = duplexPair()
      const left = new Connection(new FaultyDuplex([a, b], fault, how), {
        closeTimeout: 100,
        highWaterMark: 1024
      })
      const right = new Connection(new FaultyDuplex([b, a], fault, how), { closeTimeout: 100 })
      const tokens = [0, 1, 10, 5_000, 100_000, 300_000].map(length => Buffer.alloc(length, length))
      let received = 0
      right.on(
        'token',
        listener('right token', (token: Buffer) => void right.send(token))
      )
      left.on(
        'token',
        listener('left token', () => {
          if (++received === tokens.length) left.close()
        })
      )
      left.on(
        'drain',
        listener('left drain', () => {})
      )
      for (const [name, connection] of Object.entries({ left, right })) {
        connection.on(
          'error',
          listener(`${name} error`, () => {})
        )
        connection.on('close', () => {
          closes[name] = (closes[name] ?? 0) + 1
        })
        connection.on(
          'close',
          listener(`${name} close`, () => {})
        )
      }
      for (const token of tokens) {
        left.send(token)
      }
      // A listener that throws before the end is answered leaves it to the other side's patience.
      const guard = setTimeout(() => left.close(), 60)
      await Promise.all([left.closed, right.closed])
      clearTimeout(guard)
      await new Promise(resolve => setImmediate(resolve))
    })
    return { calls: fault.calls, hasStruck: fault.hasStruck, closes, uncaught }
  }

  for (const how of ['write', 'write throws', 'read', 'read throws', 'final', 'final throws', 'destroy']) {
    it(`T19 every ${how} of a Duplex: close once, nothing uncaught, nothing left`, async () => {
      await failEach(fault => echoOverMemory(how, fault))
    })
  }

  it('T19 every listener throws: the exception is uncaught as it should be, and close comes once all the same', async () => {
    await failEach(
      fault =>
        echoOverMemory('none', fault, (_name, act) => (...args) => {
          act(...args)
          if (fault.strikes()) throw fault.error()
        }),
      true
    )
  })

  it('T19 every listener throws before it acts: close comes once all the same', async () => {
    await failEach(
      fault =>
        echoOverMemory('none', fault, (_name, act) => (...args) => {
          if (fault.strikes()) throw fault.error()
          act(...args)
        }),
      true
    )
  })

  it('T19 every timer fires at once: close once, nothing uncaught, nothing left', async () => {
    const real = globalThis.setTimeout
    await failEach(async fault => {
      globalThis.setTimeout = ((act: () => void, milliseconds: number) =>
        real(act, fault.strikes() ? 0 : milliseconds)) as typeof setTimeout
      try {
        return await echoOverMemory('none', fault)
      } finally {
        globalThis.setTimeout = real
      }
    })
  })

  /** A server, a client, five echoes, and an end in order, over TLS. */
  async function echoOverTls(fault: Fault, act: () => void = () => {}): Promise<Outcome> {
    const closes: Record<string, number> = { server: 0, client: 0 }
    const [serverSide, clientSide] = [
      await serverOptions({ closeTimeout: 300, handshakeTimeout: 500 }),
      await clientOptions(0, { connectTimeout: 1_000, closeTimeout: 300, refusedRetryTimeout: 0 })
    ]
    const uncaught = await withoutMocha(async () => {
      const server = new TokenServer(serverSide)
      await once(server, 'connect')
      const accepted: Connection[] = []
      server.on('connection', connection => {
        accepted.push(connection)
        closes[`connection ${accepted.length}`] = 0
        connection.on('close', () => {
          const name = `connection ${accepted.indexOf(connection) + 1}`
          closes[name] = (closes[name] ?? 0) + 1
        })
      })
      server.on('token', (token, connection) => connection.send(token))
      server.on('close', () => {
        closes.server = (closes.server ?? 0) + 1
      })
      const client = new TokenClient({ ...clientSide, port: portOf(server) })
      client.on('error', () => {})
      client.on('close', () => {
        closes.client = (closes.client ?? 0) + 1
      })
      for (const event of ['connect', 'connection', 'token', 'connectionError', 'close'] as const)
        server.on(event, act)
      for (const event of ['connect', 'token', 'drain', 'close'] as const) client.on(event, act)
      let received = 0
      client.on('token', () => {
        if (++received === 5) client.close()
      })
      const guard = setTimeout(() => client.close(), 150)
      for (let i = 0; i < 5; i++) client.send(Buffer.alloc(i * 30_000))
      await client.closed
      clearTimeout(guard)
      server.close()
      await server.closed
      await new Promise(resolve => setImmediate(resolve))
    })
    return { calls: fault.calls, hasStruck: fault.hasStruck, closes, uncaught }
  }

  /** Wraps a method of every TLS socket while `run` runs. */
  async function patched<T>(
    name: 'write' | 'push' | 'end',
    around: (socket: TLSSocket, call: () => unknown) => unknown,
    run: () => Promise<T>
  ): Promise<T> {
    const prototype = TLSSocket.prototype as unknown as Record<string, (...args: unknown[]) => unknown>
    const own = Object.getOwnPropertyDescriptor(prototype, name)
    const original = prototype[name] as (...args: unknown[]) => unknown
    prototype[name] = function (this: TLSSocket, ...args: unknown[]) {
      return around(this, () => original.apply(this, args))
    }
    try {
      return await run()
    } finally {
      if (own) Object.defineProperty(prototype, name, own)
      else delete prototype[name]
    }
  }

  for (const [title, name] of [
    ['write', 'write'],
    ['read', 'push'],
    ['end', 'end']
  ] as const) {
    it(`T19 every ${title} of a TLS socket breaks it: server and client close once, nothing uncaught, nothing left`, async () => {
      await failEach(fault =>
        patched(
          name,
          (socket, call) => {
            if (!fault.strikes()) return call()
            socket.destroy(fault.error())
            return name === 'end' ? socket : false
          },
          () => echoOverTls(fault)
        )
      )
    })
  }

  it('T19 every listener of server and client throws: both close once all the same, and nothing is left', async () => {
    await failEach(
      fault =>
        echoOverTls(fault, () => {
          if (fault.strikes()) throw fault.error()
        }),
      true
    )
  })

  it('T19 every write of a TLS socket throws: server and client close once, nothing uncaught, nothing left', async () => {
    await failEach(fault =>
      patched(
        'write',
        (_socket, call) => {
          if (fault.strikes()) throw fault.error()
          return call()
        },
        () => echoOverTls(fault)
      )
    )
  })
})
