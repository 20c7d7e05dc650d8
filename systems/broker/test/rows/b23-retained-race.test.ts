import { expect } from 'chai'
import { inbox, TestBroker, until } from '../helpers/test-broker'

describe('B23: a retained message that was acknowledged', () => {
  it('comes exactly once, retained, to whoever subscribes right then, 30 of 30', async () => {
    const test = await TestBroker.start()
    try {
      const handler = await test.handler('h')
      for (let i = 0; i < 30; i++) {
        const other = await test.handler(`h${i}`)
        const received = inbox(other)
        await handler.publishAsync(`r/${i}`, 'x', { qos: 1, retain: true })
        await other.subscribeAsync([`r/${i}`, 'end'], { qos: 1 })
        await handler.publishAsync('end', '', { qos: 1 })
        await until('the end comes', () => received.some(({ topic }) => topic === 'end'))
        await until('the retained message comes', () => received.length > 1)
        expect(received.filter(({ topic }) => topic !== 'end')).to.deep.equal([
          { topic: `r/${i}`, payload: 'x', qos: 1, retain: true }
        ])
        await other.endAsync()
      }
    } finally {
      await test.stop()
    }
  })
})
