import { expect } from 'chai'
import { CountsByKey } from '../../lib/runtime/counts-by-key'

describe('CountsByKey', () => {
  it('counts each owner once, under the identity it has last', () => {
    const counts = new CountsByKey<object>()
    const [one, two] = [{}, {}]
    counts.add(one, 'alice')
    counts.add(two, 'alice')
    counts.add(two, 'alice')
    expect(counts.of('alice')).to.equal(2)
    counts.add(two, 'bob')
    expect([counts.of('alice'), counts.of('bob')]).to.deep.equal([1, 1])
    expect([counts.ofOthers('bob', two), counts.ofOthers('bob', one)]).to.deep.equal([0, 1])
  })

  it('takes away what it counted, and nothing else', () => {
    const counts = new CountsByKey<object>()
    const one = {}
    counts.remove(one)
    counts.add(one, 'alice')
    counts.remove(one)
    counts.remove(one)
    expect(counts.of('alice')).to.equal(0)
  })
})
