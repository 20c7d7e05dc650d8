import { expect } from 'chai'
import fc from 'fast-check'
import { UnsettledToken } from '../../lib/receiving/unsettled-token'
import { type Answer, AnswerQueue, bytesOf as bytesOfOne } from '../../lib/sending/answer-queue'

const parameters = process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) }

function answer(number: number, length: number): Answer {
  const head = Buffer.alloc(13)
  const body = Buffer.alloc(length)
  return { token: new UnsettledToken(number, 4, true), head, body, bytes: bytesOfOne(head, body) }
}

const numbersOf = (answers: readonly Answer[]) => answers.map(({ token }) => token.number)
const bytesOf = (answers: readonly Answer[]) => answers.reduce((sum, { bytes }) => sum + bytes, 0)

/** What the queue has to be, in the fewest words: all answers that were ever given, and three positions. */
class Model {
  readonly given: Answer[] = []
  /** Answers written, ever. */
  written = 0
  /** Answers that are done with. */
  settled = 0
  counted = 0
  isKept = false
  isOver = false

  get kept(): Answer[] {
    return this.given.slice(this.settled)
  }

  get waiting(): Answer[] {
    return this.given.slice(this.written)
  }

  settle(count: number): void {
    this.settled = Math.max(this.settled, count)
  }
}

function told(act: () => void): string {
  try {
    act()
    return ''
  } catch (error) {
    return (error as { code: string }).code
  }
}

describe('AnswerQueue', () => {
  it('has what was given and is not confirmed, whatever is written, confirmed, kept, rewound and abandoned', () => {
    const count = fc.integer({ min: -2, max: 6 })
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ act: fc.constant('push'), by: fc.nat(50) }) },
      { weight: 4, arbitrary: fc.record({ act: fc.constant('finish'), by: fc.nat(5) }) },
      { weight: 2, arbitrary: fc.record({ act: fc.constantFrom('confirm', 'rewind'), by: count }) },
      {
        weight: 1,
        arbitrary: fc.record({ act: fc.constantFrom('keep', 'abandon', 'unbegin', 'clear'), by: fc.nat(1) })
      }
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), steps => {
        const model = new Model()
        const settled: number[] = []
        const queue = new AnswerQueue(token => settled.push(token.number))
        for (const { act, by } of steps) {
          if (act === 'push') {
            const pushed = answer(model.given.length + 1, by)
            if (!model.isOver) model.given.push(pushed)
            queue.push(pushed)
          } else if (act === 'finish') {
            for (let i = 0; i < by && queue.size > 0; i++) {
              queue.waitingBytes -= (queue.head as Answer).bytes
              queue.finish()
              model.written++
              if (!model.isKept) model.settle(model.written)
            }
          } else if (act === 'confirm' || act === 'rewind') {
            const said = model.counted + by
            const isTrue = said >= model.counted && said <= model.written
            expect(told(() => (act === 'confirm' ? queue.confirm(said) : queue.rewind(said)))).to.equal(
              isTrue ? '' : 'ERR_PROTOCOL'
            )
            if (!isTrue) continue
            model.counted = said
            model.settle(said)
            if (act === 'rewind') model.written = model.settled
          } else if (act === 'keep') {
            model.isKept = by === 1
            queue.keep(model.isKept)
            if (!model.isKept) model.settle(model.written)
          } else if (act === 'abandon') {
            const isBegun = by === 1 && model.waiting.length > 0
            queue.abandon(isBegun)
            model.isOver = true
            model.given.splice(model.written + (isBegun ? 1 : 0))
          } else if (act === 'unbegin') {
            queue.unbegin()
          } else {
            queue.clear()
            model.given.splice(model.settled)
            model.written = model.settled
          }
          expect([queue.size, queue.head?.token.number]).to.deep.equal([
            model.waiting.length,
            model.waiting[0]?.token.number
          ])
          expect([queue.waitingBytes, queue.keptBytes]).to.deep.equal([
            bytesOf(model.waiting),
            bytesOf(model.kept)
          ])
        }
        expect(settled).to.deep.equal(numbersOf(model.given.slice(0, model.settled)))
      }),
      { numRuns: 1000, ...parameters }
    )
  })

  it('without a session takes a count that is behind what was written, and none that goes back', () => {
    const queue = new AnswerQueue(() => {})
    for (let number = 1; number <= 3; number++) {
      queue.push(answer(number, 0))
      queue.finish()
    }
    for (const count of [1, 3]) expect(told(() => queue.confirm(count))).to.equal('')
    for (const count of [2, 4]) expect(told(() => queue.confirm(count))).to.equal('ERR_PROTOCOL')
  })

  it('knows that the head has lost its memory', () => {
    const queue = new AnswerQueue(() => {})
    const body = new Uint8Array(10)
    queue.push({ ...answer(1, 10), body })
    expect(queue.isHeadLost).to.equal(false)
    structuredClone(body.buffer, { transfer: [body.buffer] })
    expect(queue.isHeadLost).to.equal(true)
  })
})
