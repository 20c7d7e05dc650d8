import { expect } from 'chai'
import { handler, overMqtt, serveHandlers } from '../../lib/client'
import { handlerToken, inbox, TestBroker, until } from '../helpers/test-broker'

describe('Topics over MQTT', () => {
  let test: TestBroker

  beforeEach(async () => {
    test = await TestBroker.start()
  })
  afterEach(() => test.stop())

  it('let a handler publish with QoS 1 and wait for it, and acknowledge when it is done', async () => {
    const client = await test.handler('h')
    const topics = overMqtt(client)
    const seen: unknown[] = []
    await serveHandlers(topics, [
      handler('get_list', async (payload, { sender, publishTo }) => {
        await publishTo(sender.id, 'list', ['Ada'])
        seen.push({ payload, sender })
      })
    ])
    const device = await test.device('7')
    await device.subscribeAsync('7_list', { qos: 1 })
    const received = inbox(device)
    for (let i = 0; i < 3; i++) await device.publishAsync('get_list', `{"user_id":"8","i":${i}}`, { qos: 1 })
    await until('all are answered', () => received.length === 3)
    await until('all are handled', () => seen.length === 3)
    expect(seen).to.deep.equal(
      [0, 1, 2].map(i => ({ payload: { user_id: '7', i }, sender: { id: '7', kind: undefined } }))
    )
  })

  it('leave a message that could not be handled in a kept session, and it comes again', async () => {
    const options = { clientId: 'c', clean: false }
    const first = await test.handler('h', options)
    let failed = 0
    const failing = handler(
      'x',
      () => {
        failed++
        throw new Error('not now')
      },
      { retries: 0 }
    )
    await serveHandlers(overMqtt(first), [failing])
    const device = await test.device('7')
    await device.publishAsync('x', '{}', { qos: 1 })
    await until('it failed', () => failed === 1)
    first.end(true)
    const seen: unknown[] = []
    const second = test.dial(await handlerToken('h'), options)
    await serveHandlers(overMqtt(second), [handler('x', payload => seen.push(payload))])
    await until('it comes again', () => seen.length === 1)
    expect(seen).to.deep.equal([{ user_id: '7' }])
    second.end(true)
    const third = await test.handler('h', options)
    const rest = inbox(third)
    await third.subscribeAsync('end')
    await third.publishAsync('end', '', { qos: 1 })
    await until('the end comes', () => rest.length > 0)
    expect(rest.map(({ topic }) => topic)).to.deep.equal(['end'])
  })

  it('know no sender of a message that is no JSON object with one', async () => {
    const client = await test.handler('h')
    const senders: unknown[] = []
    await overMqtt(client).subscribe('x', ({ sender }) => senders.push(sender))
    const device = await test.device('7')
    for (const payload of ['text', '[1]', 'null', '{"x":1}'])
      await device.publishAsync('x', payload, { qos: 1 })
    await until('all have come', () => senders.length === 4)
    expect(senders).to.deep.equal([undefined, undefined, undefined, { id: '7', kind: undefined }])
  })

  it('reject a subscription that the broker refuses', async () => {
    const device = await test.device('7')
    const error = await overMqtt(device)
      .subscribe('8_x', () => undefined)
      .catch((reason: Error) => reason)
    expect(error).to.be.instanceOf(Error)
  })
})
