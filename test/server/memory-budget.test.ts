import { expect } from 'chai'
import fc from 'fast-check'
import { MemoryBudget, type Queues } from '../../lib/server/memory-budget'
import type { FakeClock } from '../../lib/testing'
import { usesFakeClock } from '../helpers/fake-clock'

// On a failure fast-check prints `{ seed, path }`; SEED=… repeats that run.
const parameters = process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) }

/** The queues of a connection whose tokens have 10 bytes each. */
class Fake {
  tokensSent = 0
  tokensUnsent = 0
  unreadBytes = 0
  retainedBytes = 0
  isDetached = false

  constructor(readonly name: string) {}

  get bufferedAmount(): number {
    return this.tokensUnsent * 10
  }

  take(tokens: number): void {
    this.tokensSent += tokens
    this.tokensUnsent += tokens
  }

  send(tokens: number): void {
    this.tokensUnsent -= tokens
  }

  drop(tokens: number): number {
    const dropped = Math.min(tokens, this.tokensUnsent)
    this.tokensSent -= dropped
    this.tokensUnsent -= dropped
    return dropped
  }
}

describe('MemoryBudget', () => {
  let clock: FakeClock
  usesFakeClock(made => {
    clock = made
  })

  function make({ budget = 1e9, maxAge = 0, drops = false } = {}) {
    const connections = [new Fake('a'), new Fake('b')] as const
    const candidates = new Set<Fake>()
    const log: string[] = []
    const watched = {
      connections: new Set(connections),
      candidates: () => candidates,
      waiting: () => connections.filter(({ isDetached }) => isDetached)
    }
    const queues = new MemoryBudget<Fake & Queues>(watched, budget, maxAge, {
      onTooOld: (connection, tokens) => {
        log.push(`${connection.name}: ${tokens} too old at ${clock.now()}`)
        if (drops) connection.drop(tokens)
      },
      onReject: candidate => {
        log.push(`${candidate.name}: rejected`)
        candidates.delete(candidate)
      },
      onEvict: connection => {
        log.push(`${connection.name}: evicted`)
        connection.retainedBytes = 0
      },
      onDrop: connection => {
        if (drops) log.push(`${connection.name}: ${connection.drop(1000)} dropped`)
      },
      onOverBudget: connection => void log.push(`${connection.name}: over budget`)
    })
    queues.start()
    return { queues, log, candidates, a: connections[0], b: connections[1] }
  }

  it('counts the bytes of all queues, in and out', () => {
    const { queues, a, b } = make()
    a.take(3)
    b.unreadBytes = 7
    expect(queues.usedBytes).to.equal(37)
    queues.stop()
  })

  it('tells of the fullest connection while all together are over the budget, once a second', async () => {
    const { queues, log, a, b } = make({ budget: 50 })
    a.take(2)
    b.unreadBytes = 30
    await clock.elapse(3000)
    expect(log).to.deep.equal([])
    a.take(2)
    await clock.elapse(1000)
    expect(log).to.deep.equal(['a: over budget'])
    b.unreadBytes = 41
    await clock.elapse(2000)
    expect(log.slice(1)).to.deep.equal(['b: over budget', 'b: over budget'])
    queues.stop()
  })

  it('evicts a session that waits for its client before it touches a live connection', async () => {
    const { queues, log, a, b } = make({ budget: 50 })
    a.take(4)
    b.isDetached = true
    b.retainedBytes = 20
    await clock.elapse(1000)
    expect(log).to.deep.equal(['b: evicted'])
    a.take(2)
    await clock.elapse(1000)
    expect(log).to.deep.equal(['b: evicted', 'a: over budget'])
    queues.stop()
  })

  it('rejects the oldest clients that are not accepted yet before it touches a session', async () => {
    const { queues, log, candidates, a, b } = make({ budget: 50 })
    a.take(2)
    b.isDetached = true
    b.retainedBytes = 20
    for (const [name, bytes] of Object.entries({ empty: 0, old: 10, newer: 10 })) {
      const candidate = new Fake(name)
      candidate.unreadBytes = bytes
      candidates.add(candidate)
    }
    expect(queues.usedBytes).to.equal(60)
    await clock.elapse(1000)
    expect(log).to.deep.equal(['old: rejected'])
    a.take(3)
    await clock.elapse(1000)
    expect(log.slice(1)).to.deep.equal(['newer: rejected', 'b: evicted'])
    expect([...candidates].map(({ name }) => name)).to.deep.equal(['empty'])
    queues.stop()
  })

  it('takes nobody for slow whose session waits for its client', async () => {
    const { queues, log, a } = make({ maxAge: 1500 })
    a.take(1)
    a.isDetached = true
    await clock.elapse(5000)
    expect(log).to.deep.equal([])
    a.isDetached = false
    await clock.elapse(3000)
    expect(log).to.have.length(1)
    queues.stop()
  })

  it('tells of tokens that have waited too long, up to a second late, and how many', async () => {
    const { queues, log, a } = make({ maxAge: 2500 })
    await clock.elapse(500)
    a.take(3)
    await clock.elapse(1000)
    a.take(2)
    await clock.elapse(2000)
    expect(log).to.deep.equal([])
    await clock.elapse(500)
    expect(log).to.deep.equal(['a: 3 too old at 4000'])
    queues.stop()
  })

  it('does not tell of tokens that have left meanwhile', async () => {
    const { queues, log, a } = make({ maxAge: 2500 })
    for (let i = 0; i < 20; i++) {
      a.take(3)
      await clock.elapse(1000)
      a.send(3)
    }
    expect(log).to.deep.equal([])
    queues.stop()
  })

  it('counts only what is left of the old ones', async () => {
    const { queues, log, a } = make({ maxAge: 2500 })
    a.take(5)
    await clock.elapse(1500)
    a.send(3)
    a.take(4)
    await clock.elapse(2500)
    expect(log).to.deep.equal(['a: 2 too old at 4000'])
    queues.stop()
  })

  it('knows the age of those that stay when the oldest are dropped', async () => {
    const { queues, log, a } = make({ maxAge: 2500, drops: true })
    a.take(10)
    await clock.elapse(1000)
    a.take(10)
    await clock.elapse(1000)
    await clock.elapse(2000)
    expect(log).to.deep.equal(['a: 10 too old at 4000'])
    // Ten of the second look are left; these are new, and must not be taken for as old.
    a.take(5)
    await clock.elapse(1000)
    expect(log.slice(1)).to.deep.equal(['a: 10 too old at 5000'])
    expect(a.tokensUnsent).to.equal(5)
    await clock.elapse(2000)
    expect(log.slice(2)).to.deep.equal([])
    await clock.elapse(1000)
    expect(log.slice(2)).to.deep.equal(['a: 5 too old at 8000'])
    queues.stop()
  })

  it('knows the age also when a full budget has dropped some', async () => {
    const { queues, log, a } = make({ maxAge: 2500, budget: 99, drops: true })
    a.take(10)
    await clock.elapse(1000)
    expect(log).to.deep.equal(['a: 10 dropped'])
    a.take(5)
    await clock.elapse(3000)
    expect(log.slice(1)).to.deep.equal([])
    await clock.elapse(1000)
    expect(log.slice(1)).to.deep.equal(['a: 5 too old at 5000'])
    queues.stop()
  })

  it('measures what dropping has freed, and ends whoever is the fullest again by what is left', async () => {
    for (const place of ['retainedBytes', 'unreadBytes'] as const) {
      const { queues, log, a, b } = make({ budget: 150, drops: true })
      a.take(10)
      a[place] = 60
      b.take(7)
      await clock.elapse(1000)
      // What a has left, 60, is less than what b has, 70.
      expect(log, place).to.deep.equal(['a: 10 dropped'])
      a.take(10)
      a[place] = 81
      await clock.elapse(1000)
      expect(log.slice(1), place).to.deep.equal(['a: 10 dropped', 'a: over budget'])
      queues.stop()
    }
  })

  it('brings any queues within the budget, the fullest first, and touches nobody who need not be', () => {
    const queue = fc.record({
      unsent: fc.nat(20),
      begun: fc.nat(100),
      retained: fc.nat(100),
      unread: fc.nat(100)
    })
    return fc.assert(
      fc.asyncProperty(
        fc.array(queue, { minLength: 1, maxLength: 8 }),
        fc.nat(400),
        fc.boolean(),
        async (made, budget, drops) => {
          const connections = new Set<Fake>()
          for (const [i, { unsent, begun, retained, unread }] of made.entries()) {
            const connection = new Fake(`${i}`)
            connection.take(unsent)
            connection.retainedBytes = retained
            // Not to be dropped either.
            connection.unreadBytes = unread + begun
            connections.add(connection)
          }
          const bytesOf = ({ bufferedAmount, retainedBytes, unreadBytes }: Fake) =>
            bufferedAmount + retainedBytes + unreadBytes
          const before = [...connections].map(bytesOf)
          const touched: number[] = []
          let needless = false
          const queues: MemoryBudget<Fake & Queues> = new MemoryBudget<Fake & Queues>(
            { connections, candidates: () => [], waiting: () => [] },
            budget,
            0,
            {
              onTooOld: () => {},
              onReject: () => {},
              onEvict: () => {},
              onDrop: connection => {
                touched.push(before[Number(connection.name)] as number)
                needless ||= queues.usedBytes <= budget
                if (drops) connection.drop(1000)
              },
              onOverBudget: connection => {
                needless ||= queues.usedBytes <= budget
                connections.delete(connection)
              }
            }
          )
          queues.start()
          await clock.elapse(1000)
          expect(touched).to.deep.equal([...touched].sort((one, other) => other - one))
          expect([needless, queues.usedBytes <= budget]).to.deep.equal([false, true])
          queues.stop()
        }
      ),
      { numRuns: 25, ...parameters }
    )
  })

  it('tells of no slow connection when it has no age', async () => {
    for (const maxAge of [0, Infinity]) {
      const { queues, log, a } = make({ maxAge })
      a.take(1)
      await clock.elapse(1_000_000)
      expect(log).to.deep.equal([])
      queues.stop()
    }
  })

  it('looks no more once it is stopped', async () => {
    const { queues, log, a } = make({ budget: 5 })
    a.take(1)
    queues.stop()
    await clock.elapse(10_000)
    expect([log, clock.pending]).to.deep.equal([[], 0])
  })
})
