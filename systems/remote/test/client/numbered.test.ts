import { expect } from 'chai'
import { Numbered } from '../../lib/client/numbered'

describe('What waits under rising numbers', () => {
  const numbersOf = (all: Numbered<{ readonly number: number }>) =>
    [...all.values()].map(({ number }) => number)

  it('is found by its number, until it is taken out', () => {
    const all = new Numbered<{ readonly number: number }>()
    const item = { number: 5 }
    all.add(item)
    expect(all.get(5)).to.equal(item)
    for (const other of [4, 6, 5 + 64, 5 - 64, -5, 5.5, Number.NaN, '5', undefined])
      expect(all.get(other)).to.equal(undefined)
    expect(all.delete(69)).to.equal(false)
    expect(all.delete(5)).to.equal(true)
    expect(all.delete(5)).to.equal(false)
    expect([all.get(5), all.size, all.lowest]).to.deep.equal([undefined, 0, undefined])
  })

  it('keeps the order of the numbers, with gaps, whatever is taken out', () => {
    const all = new Numbered<{ readonly number: number }>()
    for (const number of [3, 4, 9, 200, 201]) all.add({ number })
    expect(numbersOf(all)).to.deep.equal([3, 4, 9, 200, 201])
    all.delete(4)
    expect([all.lowest, all.size]).to.deep.equal([3, 4])
    all.delete(3)
    expect(all.lowest).to.equal(9)
    for (const number of [201, 9, 200]) all.delete(number)
    all.add({ number: 10_000 })
    expect([all.lowest, numbersOf(all)]).to.deep.equal([10_000, [10_000]])
  })

  it('does what a Map does, while thousands come and go and one stays', () => {
    const seed = 1 + Math.floor(Math.random() * 2_147_483_646)
    let state = seed
    const random = () => {
      state = (state * 48_271) % 2_147_483_647
      return state / 2_147_483_647
    }
    const [all, map] = [new Numbered<{ readonly number: number }>(), new Map<number, object>()]
    let last = 0
    for (let step = 0; step < 20_000; step++) {
      if (random() < 0.52) {
        last += random() < 0.1 ? 2 : 1
        const item = { number: last }
        all.add(item)
        map.set(last, item)
      } else {
        const number = 2 + Math.floor(random() * last)
        expect(all.delete(number), `seed ${seed}`).to.equal(map.delete(number))
      }
      expect(all.size, `seed ${seed}`).to.equal(map.size)
    }
    expect(numbersOf(all), `seed ${seed}`).to.deep.equal([...map.keys()])
    expect(all.lowest, `seed ${seed}`).to.equal(map.keys().next().value)
  })

  it('may change while it is gone through', () => {
    const all = new Numbered<{ readonly number: number }>()
    for (let number = 1; number <= 4; number++) all.add({ number })
    const seen: number[] = []
    for (const { number } of all.values()) {
      seen.push(number)
      all.delete(number)
      all.delete(3)
      if (number === 1) for (let further = 5; further < 100; further++) all.add({ number: further })
    }
    expect(seen.slice(0, 4)).to.deep.equal([1, 2, 4, 5])
    expect(seen).to.have.length(98)
    expect(all.size).to.equal(0)
  })
})
