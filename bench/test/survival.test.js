import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { Bench } from '../lib/bench.js'
import { CONTENDERS } from '../lib/contenders/index.js'
import { failureReport } from '../lib/failures.js'
import { seededRandom } from '../lib/random.js'
import { itemReport } from '../lib/report.js'
import { summarize } from '../lib/summary.js'
import { misbehaving, SilentProgress, stageOf } from './helpers/misbehaving.js'

const PACE = { ms: 10, warmUpMs: 10, rounds: 2, connections: 0, budget: 600_000 }

/** Milliseconds that one that hangs is waited for: on a busy machine it may be late before it hangs. */
const PATIENCE = 1500
const HANGS = /was not done within 1500 ms/

/** What goes wrong, and how it is told. */
const FAULTS = {
  'listen never ends': HANGS,
  'listen throws': /the port is mine/,
  'connect never ends': HANGS,
  'connect exits': /its process ended with exit code 4/,
  'never drains': HANGS,
  spins: HANGS,
  // The check sees it when it looks at a byte after the gap, else the end of the turn does.
  loses: /was not done within 1500 ms|are not those that were sent/,
  closes: HANGS,
  exits: /its process ended with exit code 3/,
  'is killed': /its process ended with SIGKILL/,
  throws: /send is tired/,
  'throws later': /too late to catch/,
  rejects: /nobody awaits this/,
  changes: /are not those that were sent/,
  'prints and answers nonsense': /answered what is no JSON/
}

/** Missing in each of the ways in which something can be missing. */
const MISSING = {
  'has no package': [
    { file: new URL('helpers/contenders/without-package.js', import.meta.url).href },
    /^no-such-package-of-anybody is not installed$/
  ],
  'has no file': [
    { file: new URL('helpers/contenders/nowhere.js', import.meta.url).href },
    /is not installed$/
  ],
  'has no program': [
    { build: () => ({ command: ['/nowhere/program'], version: '1' }) },
    /ENOENT|its process ended with exit code/
  ],
  'can not be built': [
    { build: () => Promise.reject(new Error('go is not installed')) },
    /^go is not installed$/
  ]
}

const progress = new SilentProgress()
const contenders = {
  good: misbehaving(undefined, { title: 'good' }),
  'ours-2': CONTENDERS['ours-2'],
  ...Object.fromEntries(
    Object.entries(FAULTS).map(([fault, reason]) => [
      fault,
      misbehaving(fault, { patience: reason.source.includes(PATIENCE) ? PATIENCE : undefined })
    ])
  ),
  ...Object.fromEntries(Object.entries(MISSING).map(([name, [entry]]) => [name, { title: name, ...entry }])),
  'never ends': misbehaving('never ends')
}
const bench = new Bench({ random: seededRandom(1), progress, contenders })
const stage = stageOf(Object.keys(contenders))
let item

before(async () => {
  await bench.start([stage])
  const [result] = await bench.run(stage, PACE)
  item = result
})

after(() => bench.stop())

test('the run goes on with those that are in order: they have all rounds', () => {
  for (const name of ['good', 'ours-2', 'never ends']) {
    assert.equal(item.values[name]?.length, PACE.rounds, `${name}: ${item.skipped[name]}`)
  }
})

for (const [fault, reason] of Object.entries(FAULTS)) {
  test(`one that "${fault}" is left out, and the reason is told`, () => {
    assert.equal(item.values[fault], undefined)
    assert.match(item.skipped[fault], reason)
  })
}

for (const [name, [, reason]] of Object.entries(MISSING)) {
  test(`one that "${name}" is left out, and the reason is told`, () => {
    assert.equal(item.values[name], undefined)
    assert.match(item.skipped[name], reason)
  })
}

test('the table and the summary name who was left out, and that ours were fine', () => {
  assert.match(itemReport(summarize(item)), /^spins: not run, \w+ was not done within 1500 ms$/m)
  const { text, exitCode } = failureReport(bench.failures)
  assert.match(text, /^left out: one that spins in "the row": \w+ was not done within 1500 ms$/m)
  assert.match(text, /Ours were fine\.$/)
  assert.equal(exitCode, 0)
})

test('no process is left of those that were left out, nor of one that does not end of itself', () => {
  assert.deepEqual(children(), [])
})

test('one that failed in a turn is tried again in the next stage, one that never started is not', async () => {
  const names = ['good', 'throws', 'listen throws']
  const before = bench.failures.length
  const [second] = await bench.run(stageOf(names), PACE)
  assert.match(second.skipped.throws, FAULTS.throws)
  assert.match(second.skipped['listen throws'], FAULTS['listen throws'])
  assert.deepEqual(
    bench.failures.slice(before).map(({ name }) => name),
    ['throws']
  )
  await bench.run(stageOf(names), PACE)
  assert.equal(bench.failures.length, before + 1, 'after two stages it is not tried again')
})

test('one that breaks after its first rounds has no figures at all', async () => {
  const late = new Bench({
    random: seededRandom(2),
    progress,
    contenders: {
      good: contenders.good,
      late: misbehaving('throws', { variant: { fault: 'throws', when: 40 } })
    }
  })
  const [result] = await late.run(stageOf(['good', 'late']), { ...PACE, rounds: 200 })
  await late.stop()
  assert.deepEqual(Object.keys(result.values), ['good'])
  assert.equal(result.values.good.length, 200)
  assert.equal(summarize(result).contenders.good.rate.count, 200)
})

test('when ours fails the others go on, and the exit code says so', async () => {
  const failing = new Bench({
    random: seededRandom(3),
    progress,
    contenders: { good: contenders.good, ours: misbehaving('throws', { title: 'ours', isOurs: true }) }
  })
  const [result] = await failing.run(stageOf(['good', 'ours'], { base: 'ours' }), PACE)
  await failing.stop()
  assert.equal(result.values.good.length, PACE.rounds)
  assert.match(itemReport(summarize(result)), /^good +.*–/m)
  const { text, exitCode } = failureReport(failing.failures)
  assert.equal(text, 'Ours FAILED:\n  ours in "the row": send is tired')
  assert.equal(exitCode, 1)
})

test('contenders that need a broker share one, which is stopped', async () => {
  const calls = []
  const broker = () => {
    calls.push('start')
    return Promise.resolve({ version: '1', port: 0, cpu: () => 0, stop: async () => calls.push('stop') })
  }
  const needing = () => ({ ...misbehaving(undefined, { title: 'good' }), needsBroker: true })
  const both = new Bench({
    random: seededRandom(4),
    progress,
    contenders: { one: needing(), two: needing() },
    broker
  })
  await both.start([stageOf(['one', 'two'])])
  await both.stop()
  assert.deepEqual(calls, ['start', 'stop'])
})

/** Of this process, by their command lines. */
function children() {
  const tasks = readdirSync('/proc/self/task')
  return tasks
    .flatMap(task => readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' ').filter(Boolean))
    .map(pid => readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '))
}
