import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readCommandLine } from '../lib/command-line.js'
import { choose } from '../lib/plan.js'
import { seededRandom, shuffled } from '../lib/random.js'

test('a size chooses both directions; what others are compared with stays', () => {
  const stages = choose(readCommandLine(['--only', '64KiB', '--contenders', 'ours-2,ws']))
  assert.deepEqual(
    stages.flatMap(({ items }) => items.map(({ id }) => id)),
    ['64KiB-up', '64KiB-down']
  )
  assert.deepEqual(stages[0].contenders, ['ours-2', 'raw-tls', 'ws'])
})

test('an unknown name is refused, with what it was', () => {
  assert.throws(() => readCommandLine(['--only', 'pong']), /--only: "pong"/)
  assert.throws(() => readCommandLine(['--contenders', 'curl']), /--contenders: "curl"/)
  assert.throws(() => readCommandLine(['--rounds', '0']), /--rounds: "0"/)
})

test('the same seed gives the same order, and every contender its turn', () => {
  const items = ['a', 'b', 'c', 'd', 'e']
  const order = shuffled(items, seededRandom(5))
  assert.deepEqual(order, shuffled(items, seededRandom(5)))
  assert.notDeepEqual(order, items)
  assert.deepEqual([...order].sort(), items)
})

test('the peer in Go joins the one-way rows of each size, and no other', () => {
  const stages = choose({ only: null, contenders: null })
  const rows = stages.flatMap(({ items }) => items).filter(({ contenders }) => contenders.includes('go'))
  assert.equal(rows.length, 12)
  assert.ok(rows.every(({ kind, id }) => kind === 'one-way' && /^\d+(B|KiB|MiB)-(up|down)$/.test(id)))
})
