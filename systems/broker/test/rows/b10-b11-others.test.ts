import { closesWhatItOpened } from '@token-server/test-helpers'
import { expect } from 'chai'
import { DOORS, type DoorName, enter, type Guest, type GuestOptions } from '../helpers/guest'
import { deviceToken, handlerToken, until } from '../helpers/test-broker'
import { TestDoor } from '../helpers/test-door'

describe('What belongs to others', () => {
  closesWhatItOpened()
  let door: TestDoor

  beforeEach(async () => {
    door = await TestDoor.start()
  })

  async function comes(by: DoorName, token: string, options?: GuestOptions): Promise<Guest> {
    const guest = await enter(door, by, token, options)
    if (guest === undefined) throw new Error('It was refused')
    return guest
  }

  for (const by of DOORS) {
    it(`B10: no device publishes there, or clears what is retained: ${by}`, async () => {
      const { broker } = door.test
      for (const topic of ['23412_state', '23412/state'])
        await broker.publish({ topic, payload: 'kept', qos: 1, retain: true })
      const heard: string[] = []
      for (const filter of ['#', '$SYS/x', '$token'])
        broker.subscribe(filter, ({ topic }) => heard.push(topic))
      const topics = [
        '23412_state',
        '23412/state',
        '23412',
        '1_x',
        '1/x',
        '1',
        'alice/x',
        '$SYS/x',
        '$token',
        '/x',
        '_x'
      ]
      let refused = 0
      for (const topic of topics) {
        for (const [payload, qos] of [
          ['', 1],
          ['x', 1],
          ['', 0]
        ] as const) {
          const guest = await comes(by, await deviceToken('1'))
          const isDone = await guest.publish(topic, payload, { qos, retain: true })
          if (qos === 1) expect(isDone, topic).to.equal(false)
          if (by !== 'the token door') await guest.ended
          await guest.leave()
          refused++
        }
      }
      expect(heard).to.deep.equal([])
      const owner = await comes(by, await deviceToken('23412'))
      await owner.subscribe('23412/#')
      await owner.subscribe('23412_state')
      await until('both are still retained', () => owner.received.length === 2)
      expect(owner.received.map(({ payload }) => payload)).to.deep.equal(['kept', 'kept'])
      expect(broker.counters.refusedPublishes).to.equal(refused)
      const { id, user, why } = broker.refusals().at(-1) ?? {}
      const line = door.test.lines.find(({ fields }) => fields.refusal === id)
      expect({ user, message: line?.message }).to.deep.equal({
        user: 'user:1',
        message: `refused publish: ${why}`
      })
    })

    if (by !== 'the token door') {
      it(`B10: no device leaves a will there: ${by}`, async () => {
        for (const topic of ['23412_x', '23412/x', '1_x', '$SYS/x', '$token']) {
          const will = { topic, payload: Buffer.from('x'), qos: 1 as const, retain: true }
          expect(await enter(door, by, await deviceToken('1'), { will }), topic).to.equal(undefined)
        }
        expect(door.test.broker.counters.refusedConnects).to.equal(5)
      })
    }

    for (const other of DOORS) {
      it(`B11: nobody goes on with the session of somebody else, open or away: ${by}, then ${other}`, async () => {
        const mine = await comes(by, await deviceToken('1'), { session: 'phone' })
        await mine.subscribe('1_news')
        const strangers = [
          await deviceToken('2'),
          await handlerToken('x', { user_id: '1' }),
          await deviceToken('1', { kind: 'device' })
        ]
        const tried: Guest[] = []
        for (const token of strangers) tried.push(await comes(other, token, { session: 'phone' }))
        expect(mine.isThere).to.equal(true)
        for (const guest of [mine, ...tried]) await guest.leave()
        await until('all are away', () => door.test.broker.counters.connections === 0)
        await door.test.broker.publish({ topic: '1_news', payload: 'secret', qos: 1 })
        const again: Guest[] = []
        for (const token of strangers) again.push(await comes(other, token, { session: 'phone' }))
        const owner = await comes(by, await deviceToken('1'), { session: 'phone' })
        await until('the owner has it', () => owner.received.length === 1)
        for (const guest of again) {
          expect(guest.received).to.deep.equal([])
          expect(guest.isThere).to.equal(true)
        }
      })
    }

    it(`B11: the same subject goes on with its session, and the earlier connection ends: ${by}`, async () => {
      const token = await deviceToken('1')
      const first = await comes(by, token, { session: 'phone' })
      await first.subscribe('1_news')
      const second = await comes(by, token, { session: 'phone' })
      await first.ended
      const handler = await door.test.handler('h')
      await handler.publishAsync('1_news', 'x', { qos: 1 })
      await until('it comes', () => second.received.length === 1)
      expect(first.received).to.deep.equal([])
    })
  }
})
