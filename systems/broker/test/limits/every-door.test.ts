import { closesWhatItOpened } from '@token-server/test-helpers'
import { expect } from 'chai'
import { type BrokerLimits, DEFAULT_LIMITS } from '../../lib/limits/limits'
import { DOORS, type DoorName, enter, type Guest, type GuestOptions, sayNothing } from '../helpers/guest'
import { bytesOf, connectBytes, ended, logIn } from '../helpers/packets'
import { deviceToken, handlerToken, until } from '../helpers/test-broker'
import { TestDoor } from '../helpers/test-door'

describe('A limit holds at every door', () => {
  closesWhatItOpened()
  let door: TestDoor

  /** The other doors, to see that a bound is one for all of them. */
  const next = (by: DoorName) => DOORS[(DOORS.indexOf(by) + 1) % DOORS.length] as DoorName

  async function comes(by: DoorName, token: string, options?: GuestOptions): Promise<Guest> {
    const guest = await enter(door, by, token, options)
    if (guest === undefined) throw new Error('It was refused')
    return guest
  }

  async function publishesAtTheRate(guest: Guest, topic: string): Promise<void> {
    const begun = performance.now()
    const some = await Promise.all(Array.from({ length: 102 }, () => guest.publish(topic)))
    expect(some.every(isDone => isDone)).to.equal(true)
    expect(performance.now() - begun, '100 at once, 2 at 10 a second').to.be.within(150, 5_000)
    expect(await guest.publish(topic, Buffer.alloc(3 * 16_384))).to.equal(true)
    expect(performance.now() - begun, 'a long one counts for four').to.be.within(550, 10_000)
  }

  async function subscribesTwice(guest: Guest): Promise<void> {
    const granted = []
    for (const filter of ['7/a', '7/b', '7/c', '7/a']) granted.push(await guest.subscribe(filter))
    expect(granted).to.deep.equal([true, true, false, true])
  }

  /** Messages with QoS 0 to a guest that takes nothing, until something holds. */
  async function flood(by: DoorName, isOver: () => boolean): Promise<Guest> {
    const guest = await comes(by, await deviceToken('7'))
    await guest.subscribe('7_x', 0)
    guest.stall()
    const payload = Buffer.alloc(65_536)
    await until(
      'it has too much',
      () => {
        for (let i = 0; i < 8; i++) void door.test.broker.publish({ topic: '7_x', payload })
        return isOver()
      },
      18_000
    )
    return guest
  }

  async function isAway(by: DoorName, limits: Partial<BrokerLimits>): Promise<readonly string[]> {
    door = await TestDoor.start({ broker: { limits } })
    const token = await deviceToken('7')
    const guest = await comes(by, token, { session: 's' })
    await guest.subscribe('7_x')
    await guest.leave()
    await until('it is away', () => door.test.broker.counters.connections === 0)
    for (let i = 1; i <= 5; i++)
      await door.test.broker.publish({ topic: '7_x', payload: `message ${i}`, qos: 1 })
    const back = await comes(by, token, { session: 's' })
    await until('three come', () => back.received.length === 3)
    expect(door.test.broker.counters.droppedQueued).to.equal(2)
    return back.received.map(({ payload }) => payload)
  }

  /** Three sessions, by two doors in turn: the first is forgotten. */
  async function keepsTwo(by: DoorName, token: string): Promise<void> {
    const ways = [by, next(by), by]
    for (const [at, way] of ways.entries()) {
      const guest = await comes(way, token, { session: `s${at}` })
      await guest.subscribe('7/x')
      await guest.leave()
      await until('it is away', () => door.test.broker.counters.connections === 0)
    }
    await door.test.broker.publish({ topic: '7/x', payload: 'x', qos: 1 })
    const waiting = []
    for (const [at, way] of ways.entries()) {
      const session = `s${at}`
      const id = `${encodeURIComponent(subjectIn(token))}${way === 'the token door' ? ':' : '/'}${session}`
      const queue = door.test.broker.storedQueue(id)
      waiting.push(await queue.count())
      queue.close()
    }
    expect(waiting).to.deep.equal([0, 1, 1])
  }

  const bounds: Record<keyof BrokerLimits, (by: DoorName) => Promise<void>> = {
    async connectTimeout(by) {
      door = await TestDoor.start({ broker: { limits: { connectTimeout: 50 } } })
      await sayNothing(door, by)
      await until('it is counted', () => door.test.broker.counters.connectTimeouts === 1)
    },

    async maxConnectBytes(by) {
      door = await TestDoor.start({ broker: { limits: { maxConnectBytes: 1_000 } } })
      const { length } = await deviceToken('7')
      expect(await enter(door, by, await deviceToken('7', { more: 'x'.repeat(1_000 - length) }))).to.equal(
        undefined
      )
      expect(await enter(door, by, await deviceToken('7'))).not.to.equal(undefined)
    },

    async maxPacketBytes(by) {
      door = await TestDoor.start({ broker: { limits: { maxPacketBytes: 10_000 } } })
      const guest = await comes(by, await deviceToken('7'))
      expect(await guest.publish('ping', Buffer.alloc(9_900))).to.equal(true)
      expect(await guest.publish('ping', Buffer.alloc(10_001))).to.equal(false)
    },

    async maxConnections(by) {
      door = await TestDoor.start({ broker: { limits: { maxConnections: 2 } } })
      await comes(by, await deviceToken('7'))
      const second = await comes(next(by), await handlerToken('h'))
      expect(await enter(door, by, await deviceToken('8'))).to.equal(undefined)
      expect(door.test.broker.refusals().at(-1)?.why).to.equal('there are 2 connections, the bound')
      await second.leave()
      await until('the second is gone', () => door.test.broker.counters.connections === 1)
      expect(await enter(door, by, await deviceToken('8'))).not.to.equal(undefined)
    },

    async maxConnectionsPerDevice(by) {
      door = await TestDoor.start({ broker: { limits: { maxConnectionsPerDevice: 2 } } })
      const token = await deviceToken('7')
      await comes(by, token)
      const second = await comes(next(by), token)
      expect(await enter(door, by, token)).to.equal(undefined)
      expect(door.test.broker.refusals().at(-1)?.why).to.equal('it has 2 connections, bound 2')
      await comes(by, await deviceToken('8'))
      for (let i = 0; i < 3; i++) await comes(by, await handlerToken('h'))
      await second.leave()
      await until('the second is gone', () => door.test.broker.counters.connections === 5)
      await comes(by, token)
      const third = await deviceToken('9')
      for (let i = 0; i < 3; i++) await comes(by, third, { session: 's' }) // each takes the place of the one before
    },

    async maxSubscriptionsPerDevice(by) {
      door = await TestDoor.start({ broker: { limits: { maxSubscriptionsPerDevice: 2 } } })
      await subscribesTwice(await comes(by, await deviceToken('7')))
    },

    async maxSubscriptionsPerHandler(by) {
      door = await TestDoor.start({ broker: { limits: { maxSubscriptionsPerHandler: 2 } } })
      await subscribesTwice(await comes(by, await handlerToken('h')))
    },

    async maxTopicLevels(by) {
      door = await TestDoor.start({ broker: { limits: { maxTopicLevels: 3 } } })
      const handler = await comes(by, await handlerToken('h'))
      expect([await handler.subscribe('a/b/c'), await handler.subscribe('a/b/c/d')]).to.deep.equal([
        true,
        false
      ])
      expect([await handler.publish('a/b/c'), await handler.publish('a/b/c/d')]).to.deep.equal([true, false])
    },

    async maxTopicLength(by) {
      door = await TestDoor.start({ broker: { limits: { maxTopicLength: 5 } } })
      const handler = await comes(by, await handlerToken('h'))
      expect([await handler.subscribe('abcde'), await handler.subscribe('abcdef')]).to.deep.equal([
        true,
        false
      ])
      expect([await handler.publish('abcde'), await handler.publish('abcdef')]).to.deep.equal([true, false])
    },

    async maxClientIdLength(by) {
      door = await TestDoor.start({ broker: { limits: { maxClientIdLength: 5 } } })
      const token = await deviceToken('7')
      expect(await enter(door, by, token, { session: 'abcdef' })).to.equal(undefined)
      await comes(by, token, { session: 'abcde' })
    },

    async maxPublishRatePerDevice(by) {
      door = await TestDoor.start({ broker: { limits: { maxPublishRatePerDevice: 10 } } })
      await publishesAtTheRate(await comes(by, await deviceToken('7')), 'ping')
    },

    async maxPublishRatePerHandler(by) {
      door = await TestDoor.start({ broker: { limits: { maxPublishRatePerHandler: 10 } } })
      await publishesAtTheRate(await comes(by, await handlerToken('h')), '7_x')
    },

    async maxWaitingBytes(by) {
      door = await TestDoor.start({ broker: { limits: { maxWaitingBytes: 100_000 } } })
      const { counters } = door.test.broker
      await flood(by, () => counters.droppedSlow > 0)
      const [{ waitingBytes = 0 } = {}] = [...door.test.broker.connections()]
      expect(waitingBytes).to.be.lessThan(100_000 + 2 * 65_536)
    },

    async slowConsumerTimeout(by) {
      door = await TestDoor.start({
        broker: { limits: { maxWaitingBytes: 100_000, slowConsumerTimeout: 100 } }
      })
      const { counters } = door.test.broker
      await flood(by, () => counters.cutSlow > 0)
      await until('it is gone', () => counters.connections === 0)
    },

    async maxIncomingInflight(by) {
      if (by !== 'MQTT over TCP') return // WebSocket brings the same packets; the token door has no QoS 2
      door = await TestDoor.start({ broker: { limits: { maxIncomingInflight: 2 } } })
      const socket = await door.test.socket()
      await logIn(socket, connectBytes(await handlerToken('h')))
      for (let messageId = 1; messageId <= 3; messageId++)
        socket.write(
          bytesOf({ cmd: 'publish', topic: 'a', payload: '', qos: 2, messageId, dup: false, retain: false })
        )
      await ended(socket)
    },

    async maxQueuedMessages(by) {
      expect(await isAway(by, { maxQueuedMessages: 3 })).to.deep.equal([
        'message 1',
        'message 2',
        'message 3'
      ])
    },

    async maxQueuedBytes(by) {
      expect(await isAway(by, { maxQueuedBytes: 30 })).to.deep.equal(['message 1', 'message 2', 'message 3'])
    },

    async maxSessionsPerDevice(by) {
      door = await TestDoor.start({ broker: { limits: { maxSessionsPerDevice: 2 } } })
      await keepsTwo(by, await deviceToken('7'))
    },

    async maxSessionsPerHandler(by) {
      door = await TestDoor.start({ broker: { limits: { maxSessionsPerHandler: 2 } } })
      await keepsTwo(by, await handlerToken('h'))
    },

    async maxRetainedMessages(by) {
      door = await TestDoor.start({ broker: { limits: { maxRetainedMessages: 2 } } })
      const handler = await comes(by, await handlerToken('h'))
      for (const topic of ['a', 'b', 'c', 'a']) await handler.publish(topic, 'x', { retain: true })
      expect(door.test.broker.counters.droppedRetained).to.equal(1)
      await handler.subscribe('#')
      await until('both come', () => handler.received.length === 2)
    }
  }

  for (const [name, holds] of Object.entries(bounds)) {
    for (const by of DOORS) it(`${name}: ${by}`, () => holds(by))
  }

  it('and each limit stands in this table', () => {
    expect(Object.keys(bounds)).to.deep.equal(Object.keys(DEFAULT_LIMITS))
  })
})

function subjectIn(token: string): string {
  const { user_id: id, handler } = JSON.parse(
    Buffer.from(token.split('.')[1] as string, 'base64url').toString()
  )
  return `${handler === undefined ? 'user' : 'handler'}:${id}`
}
