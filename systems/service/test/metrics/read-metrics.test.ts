import { expect } from 'chai'
import { Registry } from 'prom-client'
import { ReadMetrics } from '../../lib'

describe('Metrics that are read when somebody asks', () => {
  it('show the value of that moment, and count nothing twice', async () => {
    const register = new Registry()
    const metrics = new ReadMetrics(register)
    const now = { waiting: 5, done: 3, byCode: { a: 1, b: 2 } as Record<string, number> }
    metrics.gauge('waiting', 'w', () => now.waiting)
    metrics.counter('done_total', 'd', () => now.done)
    metrics.counterBy('code', 'ended_total', 'e', () => now.byCode)
    const values = async () =>
      (await register.metrics()).split('\n').filter(line => line !== '' && !line.startsWith('#'))

    const first = ['waiting 5', 'done_total 3', 'ended_total{code="a"} 1', 'ended_total{code="b"} 2']
    expect(await values()).to.deep.equal(first)
    expect(await values()).to.deep.equal(first)
    Object.assign(now, { waiting: 0, done: 4, byCode: { a: 7 } })
    expect(await values()).to.deep.equal(['waiting 0', 'done_total 4', 'ended_total{code="a"} 7'])
  })
})
