import { expect } from 'chai'
import { FakeClock } from 'token-server/testing'
import { AnswerMemory } from '../../lib/device/answer-memory'
import { Command, type DeviceSession } from '../../lib/device/command'

describe('The memory of answers', () => {
  it('forgets of those that were used longest ago, and makes room for more than the next answer', () => {
    const memory = new AnswerMemory(new FakeClock({ date: Date.now() }), { maxTotalLength: 8_000 })
    const records = Array.from({ length: 100 }, (_, index) =>
      memory.recordOf('shared', String(index).padStart(22, 'a'), 'key')
    )
    const keep = (record: (typeof records)[number], number: number) => {
      const command = new Command(number, 'a', null, undefined, 0, { record } as DeviceSession)
      record.commands.set(number, command)
      command.phase = 'done'
      command.text = 'x'.repeat(80)
      memory.keep(command)
    }
    for (const record of records) keep(record, 1)
    expect(memory.length).to.equal(8_000)
    const last = records[99] as (typeof records)[number]
    keep(last, 2)
    expect(memory.length).to.equal(6_960)
    expect(records[13]?.answers).to.equal(0)
    expect(records[14]?.answers).to.equal(1)
    expect(records[13]?.forgotten).to.equal(1)
    for (let number = 3; number < 16; number++) keep(last, number)
    expect(memory.length).to.equal(8_000)
    expect(records[14]?.answers).to.equal(1)
    memory.close()
  })
})
