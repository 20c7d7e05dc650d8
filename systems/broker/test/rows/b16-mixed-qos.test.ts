import { expect } from 'chai'
import { inbox, TestBroker, until } from '../helpers/test-broker'

const MANY = process.env.LONG === '1' ? 100_000 : 4_000
const IN_FLIGHT = 200

describe('B16, moscajs/aedes#994: QoS 0, 1 and 2 mixed to one client', () => {
  for (const clean of [true, false]) {
    it(`loses none of QoS 1 and 2 and keeps their order, ${clean ? 'clean' : 'kept'} session`, async function () {
      this.timeout(300_000)
      const test = await TestBroker.start()
      try {
        const subscriber = await test.handler('s', { clientId: 's', clean })
        await subscriber.subscribeAsync('t', { qos: 2 })
        const received = inbox(subscriber)
        const publisher = await test.handler('p')
        let next = 0
        const lane = async () => {
          while (next < MANY) {
            const id = next++
            await publisher.publishAsync('t', String(id), { qos: (id % 3) as 0 | 1 | 2 })
          }
        }
        await Promise.all(Array.from({ length: IN_FLIGHT }, lane))
        const of = (qos: number) =>
          received.filter(message => message.qos === qos).map(({ payload }) => Number(payload))
        const sent = (qos: number) => Array.from({ length: MANY }, (_, i) => i).filter(i => i % 3 === qos)
        await until('all come', () => of(1).length + of(2).length === sent(1).length + sent(2).length, 60_000)
        expect(of(1)).to.deep.equal(sent(1))
        expect(of(2)).to.deep.equal(sent(2))
      } finally {
        await test.stop()
      }
    })
  }
})
