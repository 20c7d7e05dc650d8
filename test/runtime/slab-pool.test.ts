import { expect } from 'chai'
import { SLAB_LENGTH, SlabPool, SMALL_SLAB_LENGTH } from '../../lib/runtime/slab-pool'

describe('SlabPool', () => {
  it('has small slabs for up to 4 KiB, and large ones for more', () => {
    const pool = new SlabPool()
    const lengths = [1, SMALL_SLAB_LENGTH, SMALL_SLAB_LENGTH + 1, 10 * SLAB_LENGTH].map(
      bytes => pool.take(bytes).length
    )
    expect(lengths).to.deep.equal([SMALL_SLAB_LENGTH, SMALL_SLAB_LENGTH, SLAB_LENGTH, SLAB_LENGTH])
  })

  it('gives one slab to one taker at a time', () => {
    const pool = new SlabPool()
    const first = pool.take(1)
    expect(pool.take(1)).to.not.equal(first)
    pool.give(first)
    expect(pool.take(1)).to.equal(first)
    expect(pool.take(1)).to.not.equal(first)
  })

  for (const length of [SMALL_SLAB_LENGTH, SLAB_LENGTH]) {
    it(`keeps 1 MiB of ${length} bytes each for later, and no more`, () => {
      const pool = new SlabPool()
      const fitting = (1024 * 1024) / length
      const given = new Set(Array.from({ length: fitting + 4 }, () => pool.take(length)))
      for (const slab of given) pool.give(slab)
      const again = Array.from({ length: fitting + 4 }, () => pool.take(length))
      expect(again.filter(slab => given.has(slab))).to.have.length(fitting)
    })
  }
})
