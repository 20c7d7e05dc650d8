import assert from 'node:assert/strict'
import { test } from 'node:test'
import { baselineFigures, comparison } from '../lib/baseline-figures.js'
import { amount, digits, ratio } from '../lib/format.js'
import { table } from '../lib/table.js'

test('columns stand below each other, numbers to the right', () => {
  assert.equal(
    table([
      ['name', 'rate'],
      ['a', '1'],
      ['longer', '22']
    ]),
    'name    rate\na          1\nlonger    22'
  )
})

test('three digits, whatever the size', () => {
  assert.deepEqual([0.1234, 1.234, 12.34, 1234].map(digits), ['0.123', '1.23', '12.3', '1234'])
  assert.deepEqual([12, 9999.9, 1e6, 8.51e6].map(amount), ['12.0', '10.0 k', '1.00 M', '8.51 M'])
  assert.equal(digits(Number.NaN), '–')
})

test('a ratio of several rounds has its quartiles, one of one round has none to tell', () => {
  assert.equal(ratio({ median: 0.5, low: 0.4, high: 0.6, count: 9 }), '0.500 (0.400–0.600)')
  assert.equal(ratio({ median: 0.5, low: 0.5, high: 0.5, count: 1 }), '0.500')
  assert.equal(ratio(null), '–')
})

test('the guard compares each side of each item, and points at what grew', () => {
  const spread = median => ({ ofBase: { median, low: median, high: median, count: 3 } })
  const contenders = { 'raw-tls': {}, 'ours-2': { senderCpu: spread(2), receiverCpu: spread(3) } }
  const figures = baselineFigures([{ id: '64B-up', kind: 'one-way', contenders }])
  const lines = comparison(figures, { '64B-up send': 1, '64B-up receive': 3 }).split('\n')
  assert.match(lines[1], /^64B-up send .*\+100 % +dearer$/)
  assert.match(lines[2], /^64B-up receive .* 0 %$/)
})
