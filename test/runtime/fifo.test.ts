import { expect } from 'chai'
import fc from 'fast-check'
import { Fifo } from '../../lib/runtime/fifo'

describe('Fifo', () => {
  it('gives what a list gives, whatever is pushed, shifted, popped and cleared', () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ act: fc.constant('push'), times: fc.nat(3_000) }) },
      { weight: 6, arbitrary: fc.record({ act: fc.constantFrom('shift', 'pop'), times: fc.nat(3_000) }) },
      { weight: 1, arbitrary: fc.record({ act: fc.constant('clear'), times: fc.constant(1) }) }
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), steps => {
        const fifo = new Fifo<number>()
        const list: number[] = []
        let next = 0
        const see = () =>
          expect([fifo.length, fifo.first, fifo.last]).to.deep.equal([list.length, list[0], list.at(-1)])
        for (const { act, times } of steps) {
          for (let i = 0; i < times; i++) {
            if (act === 'push') fifo.push(list[list.push(++next) - 1] as number)
            else if (act === 'clear') {
              fifo.clear()
              list.length = 0
            } else {
              const [ours, theirs] = act === 'shift' ? [fifo.shift(), list.shift()] : [fifo.pop(), list.pop()]
              if (ours !== theirs) expect(ours).to.equal(theirs)
            }
            if (i % 100 === 0) see()
          }
          see()
        }
      }),
      { numRuns: 50, ...(process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) }) }
    )
  })

  it('shifts each of 200,000 at the cost of one', () => {
    const fifo = new Fifo<object>()
    for (let i = 0; i < 200_000; i++) fifo.push({})
    const before = process.cpuUsage()
    let count = 0
    while (fifo.shift() !== undefined) count++
    expect(count).to.equal(200_000)
    // An array takes seconds.
    expect(process.cpuUsage(before).user / 1000).to.be.below(500)
  })
})
