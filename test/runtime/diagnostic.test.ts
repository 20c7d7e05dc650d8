import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { expect } from 'chai'
import { Diagnostic } from '../../lib/runtime/diagnostic'
import { uncaughtDuring } from '../helpers/moments'

describe('Diagnostic', () => {
  it('makes a message when somebody listens on its channel, and none otherwise', () => {
    let made = 0
    const diagnostic = new Diagnostic('test:made', (value: number) => {
      made++
      return { value }
    })
    const heard: unknown[] = []
    const listener = (message: unknown) => heard.push(message)
    diagnostic.tell(1)
    subscribe('token-server:test:made', listener)
    diagnostic.tell(2)
    unsubscribe('token-server:test:made', listener)
    diagnostic.tell(3)
    expect([made, heard]).to.deep.equal([1, [{ value: 2 }]])
    expect(heard[0]).to.be.frozen
  })

  it('leaves what a listener throws to the process, and tells the others', async () => {
    const diagnostic = new Diagnostic('test:thrown', () => ({}))
    const heard: unknown[] = []
    const listeners = [
      () => {
        throw new Error('of the test')
      },
      (message: unknown) => heard.push(message)
    ]
    for (const listener of listeners) subscribe('token-server:test:thrown', listener)
    const uncaught = await uncaughtDuring(() => {
      diagnostic.tell()
      return Promise.resolve()
    })
    for (const listener of listeners) unsubscribe('token-server:test:thrown', listener)
    expect([heard.length, uncaught.map(String)]).to.deep.equal([1, ['Error: of the test']])
  })
})
