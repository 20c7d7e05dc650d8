import assert from 'node:assert/strict'
import { test } from 'node:test'
import { medianInterval, quantile, spread, spreadOfRatios } from '../lib/statistics.js'

test('a quantile lies between its neighbours, whatever the order', () => {
  assert.equal(quantile([4, 1, 3, 2], 0.5), 2.5)
  assert.equal(quantile([10, 20, 30], 0.25), 15)
  assert.equal(quantile([7], 0.99), 7)
})

test('of no values there is no quantile', () => {
  assert.ok(Number.isNaN(quantile([], 0.5)))
  assert.ok(Number.isNaN(quantile([Number.NaN], 0.5)))
})

test('one wild round moves a median and its quartiles little', () => {
  const calm = spread([10, 11, 12, 13, 14])
  const wild = spread([10, 11, 12, 13, 1e9])
  assert.equal(wild.median, calm.median)
  assert.equal(wild.high, calm.high)
  assert.equal(wild.count, 5)
})

test('ratios are of the same round: what slows a whole round down cancels out', () => {
  const { median, low, high } = spreadOfRatios([5, 50, 2], [10, 100, 4])
  assert.deepEqual([median, low, high], [0.5, 0.5, 0.5])
})

test('a round that the base has not got counts nowhere', () => {
  assert.equal(spreadOfRatios([5, 6], [10]).count, 1)
})

test('the interval of a median holds it, is of its values, and is not moved by one wild of them', () => {
  assert.deepEqual(medianInterval([6, 3, 1, 2, 5, 4]), { low: 1, high: 6 })
  const values = Array.from({ length: 24 }, (_, index) => index + 1)
  assert.deepEqual(medianInterval(values), { low: 7, high: 18 })
  assert.deepEqual(medianInterval([...values.slice(0, -1), 1e9]), { low: 7, high: 18 })
  assert.deepEqual(medianInterval([1, 1, 1, 1, 1]), { low: -Infinity, high: Infinity })
})
