import { expect } from 'chai'
import { Frequent } from '../../lib/status/frequent'

describe('Frequent', () => {
  it('counts exactly while there are no more keys than places', () => {
    const frequent = new Frequent(3)
    for (const key of ['a', 'b', 'a', 'c', 'a']) frequent.add(key, 7)
    const counts = [...frequent.counts].map(([key, { messages, bytes }]) => [key, messages, bytes])
    expect(counts).to.deep.equal([
      ['a', 3, 21],
      ['b', 1, 7],
      ['c', 1, 7]
    ])
    expect(frequent.missed).to.equal(0)
  })

  it('keeps its places when a million keys come once each, and still finds the one that comes often', () => {
    const frequent = new Frequent(1_000)
    for (let count = 0; count < 1_000_000; count++) {
      frequent.add(`stranger/${count}`, 1)
      if (count % 100 === 0) frequent.add('often', 1)
      if (count % 10_000 === 0) expect(frequent.counts.size).to.be.at.most(1_000)
    }
    expect(frequent.counts.get('often')?.messages).to.be.within(10_000 - frequent.missed, 10_000)
    expect(frequent.missed).to.be.at.most(1_010_000 / 1_001)
  })

  it('is too low by at most what it says, whatever comes, and has each key above its share', () => {
    const seed = Math.floor(Math.random() * 2 ** 31)
    const random = randomOf(seed)
    for (let round = 0; round < 50; round++) {
      const places = 1 + Math.floor(random() * 20)
      const frequent = new Frequent(places)
      const exact = new Map<string, number>()
      const total = 2_000
      for (let count = 0; count < total; count++) {
        const key = String(Math.floor(200 * random() ** 4)) // few keys come often
        frequent.add(key, 1)
        exact.set(key, (exact.get(key) ?? 0) + 1)
      }
      expect(frequent.missed, `seed ${seed}`).to.be.at.most(total / (places + 1))
      for (const [key, count] of exact) {
        const told = frequent.counts.get(key)?.messages ?? 0
        expect(told, `seed ${seed}, key ${key}`).to.be.within(Math.max(0, count - frequent.missed), count)
        if (count > total / (places + 1)) expect(told, `seed ${seed}, key ${key}`).to.be.above(0)
      }
    }
  })
})

/** Mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
