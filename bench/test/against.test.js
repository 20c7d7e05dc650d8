import assert from 'node:assert/strict'
import { test } from 'node:test'
import { againstReport, againstRows, joined } from '../lib/against-figures.js'
import { AGAINST_ROWS, againstContenders, againstStages } from '../lib/against-plan.js'

const ITEM = {
  id: '64B-up',
  title: '64 B',
  contenders: ['ours-2', 'ours-2@other', 'ours-1', 'ours-1@other']
}

function round(rate, cpu = 1, more = {}) {
  return { rate, senderCpu: cpu, receiverCpu: cpu / 2, ...more }
}

/** One of ours beside the other's, which always makes 100 a second. */
function rowOf(rates, cpu = 1) {
  const values = {
    'ours-2': rates.map(rate => round(rate, cpu)),
    'ours-2@other': rates.map(() => round(100))
  }
  return againstRows([{ ...ITEM, values }])
}

const twelve = rate => Array.from({ length: 12 }, (_, index) => rate + (index % 3) - 1)

test('each row is there, and in it each of ours beside its other', () => {
  const stages = againstStages(null)
  const items = stages.flatMap(stage => stage.items)
  assert.deepEqual(items.map(({ id }) => id).sort(), [...AGAINST_ROWS].sort())
  const contenders = againstContenders('/other')
  for (const { id, contenders: names } of items) {
    assert.ok(names.length >= 2, id)
    for (const name of names) {
      const isOther = name.endsWith('@other')
      assert.ok(names.includes(isOther ? name.replace('@other', '') : `${name}@other`), `${id}: ${name}`)
      assert.equal(contenders[name].variant?.library, isOther ? '/other' : undefined)
      assert.equal(contenders[name].isOurs, !isOther, 'the exit code is of this checkout')
    }
  }
})

test('what an item compares ours with has its own row, and is not measured again', () => {
  const [deliver] = againstStages(['deliver']).flatMap(stage => stage.items)
  assert.deepEqual(deliver.contenders, ['ours-deliver', 'ours-deliver@other'])
})

test('runs are joined round by round; a pair that lost one half has no rounds of that run', () => {
  const whole = { ...ITEM, values: Object.fromEntries(ITEM.contenders.map(name => [name, [round(1)]])) }
  const { 'ours-1@other': lost, ...rest } = whole.values
  const [{ values }] = joined([[whole], [{ ...ITEM, values: rest }]])
  assert.equal(values['ours-2'].length, 2)
  assert.equal(values['ours-1'].length, 1)
  assert.equal(values['ours-1@other'].length, 1)
})

test('slower by more than the bound is said when the rounds agree, and asked when they do not', () => {
  assert.match(againstReport(rowOf(twelve(90))), /Slower by more than 3 %:\n {2}64 B: token-server, token\/2/)
  assert.match(againstReport(rowOf([...twelve(90).slice(0, 7), 101, 102, 103, 104, 105])), /Perhaps/)
  assert.match(againstReport(rowOf([90, 90, 90])), /Perhaps/, 'three rounds are sure of nothing')
  assert.match(againstReport(rowOf(twelve(99))), /Nothing is slower/)
  assert.match(againstReport(rowOf(twelve(130))), /Nothing is slower/)
})

test('processor time is judged too: of the side that takes more of it', () => {
  assert.match(againstReport(rowOf(twelve(100), 1.1)), /More processor time by more than 3 %:\n {2}64 B/)
  assert.doesNotMatch(againstReport(rowOf(twelve(100), 1.1)), /Slower/)
})

test('of a ping the time counts: half of it is twice the speed', () => {
  const values = { 'ours-2': [round(1, 1, { p50: 0.05 })], 'ours-2@other': [round(1, 1, { p50: 0.1 })] }
  const [row] = againstRows([{ ...ITEM, values }])
  assert.equal(row.speed.ratio, 2)
  assert.match(againstReport([row]), /50\.0 µs +100 µs +2\.000/)
})
