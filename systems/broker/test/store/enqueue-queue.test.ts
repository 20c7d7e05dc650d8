import { expect } from 'chai'
import { type Enqueued, EnqueueQueue } from '../../lib/store/redis/enqueue-queue'
import { packet } from './contract'

/** Arguments in front of the sessions of a message. */
const PER_MESSAGE = 7

function message(text: string): Enqueued {
  return { packet: packet('t', { payload: Buffer.from(text) }), incoming: undefined, isRetained: false }
}

/** A queue whose batches are answered by hand. */
function opened(sessions = 0) {
  const batches: {
    texts: string[]
    answer: (reply: unknown[] | undefined) => void
    fail: (error: Error) => void
  }[] = []
  let last = 0
  const queue = new EnqueueQueue({
    store: args => {
      const texts: string[] = []
      for (let at = 0; at < args.length; at += PER_MESSAGE + 2 * Number(args[at + 6])) {
        texts.push((args[at + 1] as Buffer).subarray(4, 4 + Number(args[at])).toString())
      }
      return new Promise((resolve, reject) => batches.push({ texts, answer: resolve, fail: reject }))
    },
    match: () =>
      Array.from({ length: sessions }, (_, i) => ({ clientId: `c${i}`, topic: 't', qos: 1 as const })),
    onNumber: number => {
      last = number
    },
    onDropped: () => undefined
  })
  return { queue, batches, last: () => last }
}

const turn = () => new Promise<void>(resolve => setImmediate(resolve))

describe('The queue of messages on their way to Redis', () => {
  it('sends one batch after another: what comes meanwhile goes with the next', async () => {
    const { queue, batches, last } = opened()
    const stored: string[] = []
    for (const text of ['a', 'b']) void queue.add(message(text)).then(() => stored.push(text))
    await turn()
    for (const text of ['c', 'd']) void queue.add(message(text)).then(() => stored.push(text))
    await turn()
    expect(batches.map(({ texts }) => texts)).to.deep.equal([['a', 'b']])
    batches[0]?.answer(['10', [], [], 0])
    await turn()
    expect(batches[1]?.texts).to.deep.equal(['c', 'd'])
    expect(stored).to.deep.equal(['a', 'b'])
    batches[1]?.answer(['12', [], [], 0])
    await queue.idle()
    await turn()
    expect(stored).to.deep.equal(['a', 'b', 'c', 'd'])
    expect(last()).to.equal(13)
  })

  it('sends a batch again in its place when the subscriptions were not the newest', async () => {
    const { queue, batches } = opened()
    const first = queue.add(message('a'))
    await turn()
    void queue.add(message('b'))
    batches[0]?.answer(undefined)
    await turn()
    expect(batches.map(({ texts }) => texts)).to.deep.equal([['a'], ['a']])
    batches[1]?.answer(['1', [], [], 0])
    await first
    await turn()
    expect(batches[2]?.texts).to.deep.equal(['b'])
  })

  it('rejects all of a batch that fails, and goes on', async () => {
    const { queue, batches } = opened()
    const failed = Promise.allSettled(['a', 'b'].map(text => queue.add(message(text))))
    await turn()
    const next = queue.add(message('c'))
    batches[0]?.fail(new Error('Redis is away'))
    expect((await failed).map(({ status }) => status)).to.deep.equal(['rejected', 'rejected'])
    await turn()
    batches[1]?.answer(['1', [], [], 0])
    await next
  })

  it('bounds a batch by its messages, their bytes, and their places in queues', async () => {
    const { queue, batches } = opened(600)
    for (let i = 0; i < 1_000; i++) void queue.add(message(String(i)))
    await turn()
    expect(batches[0]?.texts).to.deep.equal(['0', '1', '2', '3'])
    const small = opened()
    for (let i = 0; i < 1_000; i++) void small.queue.add(message(String(i)))
    await turn()
    expect(small.batches[0]?.texts).to.have.length(256)
    const large = opened()
    for (let i = 0; i < 100; i++) void large.queue.add(message('x'.repeat(262_144)))
    await turn()
    expect(large.batches[0]?.texts).to.have.length(4)
  })

  it('rejects what is too much for a Redis that does not answer', async () => {
    const { queue } = opened()
    void queue.add(message('first'))
    await turn()
    let rejected = 0
    for (let i = 0; i < 20_010; i++) queue.add(message('x')).catch(() => rejected++)
    await turn()
    expect(rejected).to.equal(10)
  })
})
