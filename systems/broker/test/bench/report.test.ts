import { expect } from 'chai'
import { maxFiles, processesFor, usageOf, whyNotEnoughFiles } from '../../bench/machine'
import { type BenchOptions, readOptions } from '../../bench/options'
import { Progress } from '../../bench/progress'
import { isGood, ratiosOf, reportOf, table, verdictOf } from '../../bench/report'
import type { RoundResult } from '../../bench/round-result'

const OPTIONS = readOptions([]) as BenchOptions

function round(more: Partial<RoundResult> = {}): RoundResult {
  return {
    peer: 'ours',
    round: 1,
    rate: 100,
    seconds: 10,
    toSend: 1_000,
    sent: 1_000,
    acknowledged: undefined,
    expected: 1_000,
    received: 1_000,
    unordered: 0,
    wrong: 0,
    stale: 0,
    behind: 1,
    p50: 1,
    p99: 2,
    cpu: 0.1,
    memoryBytes: 1,
    late: 2,
    isHeldBack: false,
    ...more
  }
}

describe('The verdict of the load test', () => {
  it('is good when all came in time', () => {
    expect(verdictOf('ours', [round(), round()], false)).to.equal('ours: none lost of 2,000; in time')
    expect(isGood([round(), round()], false)).to.equal(true)
  })

  for (const [what, more, words] of [
    ['is lost', { received: 998 }, 'LOST 2 of 2,000; in time'],
    ['comes twice', { unordered: 3 }, '3 doubled or out of order'],
    ['is changed', { wrong: 4 }, '4 changed, or given to somebody else'],
    ['is not acknowledged', { acknowledged: 995 }, '5 not acknowledged'],
    ['comes late', { behind: 1_900 }, 'BEHIND, 1.9 s at the end of a round'],
    [
      'is not taken',
      { sent: 900, expected: 900, received: 900, isHeldBack: true },
      '100 messages were not sent'
    ]
  ] as const) {
    it(`is not good when something ${what} in one round`, () => {
      expect(verdictOf('ours', [round(), round(more)], false)).to.include(words)
      expect(isGood([round(), round(more)], false)).to.equal(false)
    })
  }

  it('does not call lost what a broker that is behind may still deliver', () => {
    const words = verdictOf('ours', [round({ received: 400, behind: 2_000 })], false)
    expect(words).to.equal(
      'ours: 600 of 1,000 NOT THERE when their round ended; BEHIND, 2.0 s at the end of a round'
    )
  })

  it('blames the load where it was late itself', () => {
    const late = round({ late: 700, behind: 800 })
    expect(verdictOf('ours', [late], false)).to.include('the load was late itself')
    expect(verdictOf('ours', [{ ...late, isHeldBack: true }], false)).not.to.include('the load')
  })

  it('of a climb is the highest rate in time, and what was lost below it', () => {
    const rounds = [
      round(),
      round({ expected: 1_250, received: 1_250 }),
      round({ expected: 1_560, received: 20, behind: 900 })
    ]
    expect(verdictOf('ours', rounds, true)).to.equal(
      'ours: none lost of 2,250; in time up to 125 deliveries/s'
    )
    expect(isGood(rounds, true)).to.equal(true)
    expect(verdictOf('stock', rounds.slice(2), true)).to.equal('stock: behind from the first round on')
    expect(isGood(rounds.slice(2), true)).to.equal(false)
  })
})

describe('The ratios of the load test', () => {
  const facts = (name: 'ours' | 'stock') => ({
    name,
    description: '',
    version: '1',
    memoryPerConnection: 1,
    cpuPerConnect: 1,
    connectTime: 1
  })

  it('are the median of those of each round, so that a disturbance of one round does not count', () => {
    const rounds = [
      round({ round: 1, cpu: 0.3 }),
      round({ round: 1, cpu: 0.2, peer: 'stock' }),
      round({ round: 2, cpu: 0.9 }),
      round({ round: 2, cpu: 0.6, peer: 'stock' }),
      round({ round: 3, cpu: 0.9 }),
      round({ round: 3, cpu: 0.1, peer: 'stock' })
    ]
    const [line] = ratiosOf({ peers: [facts('ours'), facts('stock')], rounds, options: OPTIONS })
    expect(line).to.equal('Ours needs 1.50 × the CPU of stock; p50 1.00 ×, p99 1.00 ×')
  })

  it('of a climb stand in the table as the highest rate in time had them', () => {
    const rounds = [
      round({ p50: 1 }),
      round({ round: 2, rate: 125, p50: 2 }),
      round({ round: 3, rate: 156, p50: 3, behind: 900 }),
      round({ round: 3, rate: 156, p50: 4 }),
      round({ round: 4, rate: 195, p50: 5, behind: 900 })
    ]
    const facts = { name: 'ours', description: '', version: '0', connectTime: 1 } as const
    const report = reportOf({
      at: '',
      machine: { cores: 2, cpu: '', load: 0, node: '', maxFiles: 1 },
      options: { ...OPTIONS, climb: true },
      peers: [{ ...facts, memoryPerConnection: 1_024, cpuPerConnect: 1 }],
      rounds,
      verdicts: [],
      isGood: true
    })
    expect(report).to.match(/^ours 0 +100 +4\.00 /m)
  })

  it('of a climb are those of the highest rates in time', () => {
    const rounds = [
      round({ rate: 250 }),
      round({ rate: 300, behind: 900 }),
      round({ rate: 200, peer: 'stock' }),
      round({ rate: 250, peer: 'stock', behind: 900 })
    ]
    const options = { ...OPTIONS, climb: true }
    expect(ratiosOf({ peers: [facts('ours'), facts('stock')], rounds, options })).to.deep.equal([
      'Highest rate in time: 1.25 × stock'
    ])
    const behind = rounds.filter(({ peer }) => peer === 'ours')
    behind.push(round({ rate: 200, peer: 'stock', behind: 900 }))
    expect(ratiosOf({ peers: [facts('ours'), facts('stock')], rounds: behind, options })).to.deep.equal([
      'stock was in time with no rate'
    ])
  })
})

describe('The table of the load test', () => {
  it('has columns as wide as their widest text, numbers to the right', () => {
    expect(
      table([
        ['', 'ms'],
        ['ours', '12.25'],
        ['a', '3']
      ])
    ).to.deep.equal(['         ms', 'ours  12.25', 'a         3'])
  })
})

describe('The progress of the load test', () => {
  function written(isTTY: boolean): string {
    let text = ''
    const progress = new Progress({ isTTY, write: (more: string) => (text += more) })
    progress.now('5 of 10')
    progress.say('done')
    return text
  }

  it('replaces its line on a terminal', () => {
    expect(written(true)).to.equal('\r\x1b[K5 of 10\r\x1b[Kdone\n')
  })

  it('consists of plain lines elsewhere', () => {
    expect(written(false)).to.equal('done\n')
  })
})

describe('The file limit', () => {
  it('is read from the limits of the process, and is none where nobody says one', () => {
    expect(
      maxFiles(
        'Limit  Soft\nMax open files            20000                30000                files     \n'
      )
    ).to.equal(20_000)
    expect(
      maxFiles('Max open files            unlimited            unlimited            files     \n')
    ).to.equal(Infinity)
    expect(maxFiles(undefined)).to.equal(Infinity)
  })

  it('is told in words, with what to do, before a run that it would stop', () => {
    const words = whyNotEnoughFiles({ connections: 10_000, subscriptions: 50_000 }, 1_024)
    expect(words).to.match(
      /^Cannot open 10000 connections: because this machine lets a process open 1024 files \("ulimit -n"\)/
    )
    expect(words).to.include('"ulimit -n 10100"')
    expect(words).to.include('--connections 625 can have the 50000 subscriptions')
    expect(whyNotEnoughFiles({ connections: 900, subscriptions: 900 }, 1_024)).to.equal(undefined)
  })

  it('makes the load come from more processes where one could not have all connections to all brokers', () => {
    expect(processesFor(OPTIONS, 20_000)).to.equal(2)
    expect(processesFor(OPTIONS, 10_100)).to.equal(3)
    expect(processesFor({ ...OPTIONS, connections: 1 }, 20_000)).to.equal(1)
  })
})

describe('What a process has used', () => {
  it('is its CPU and its memory, and not a number for a process that is not there', function () {
    if (process.platform !== 'linux') return this.skip()
    const { cpu, memoryBytes } = usageOf(process.pid)
    const { user, system } = process.cpuUsage()
    expect(cpu).to.be.closeTo((user + system) / 1e6, 0.5)
    expect(memoryBytes / process.memoryUsage.rss()).to.be.within(0.5, 2)
    expect(usageOf(2 ** 30).cpu).to.be.NaN
    return undefined
  })
})
