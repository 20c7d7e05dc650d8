import { getEventListeners } from 'node:events'
import { expect } from 'chai'
import { closeOnAbort, unwatchSignal, watchSignal } from '../../lib/runtime/abort-signals'
import { settled } from '../helpers/moments'

describe('a signal that many wait for', () => {
  function many(count: number) {
    const controller = new AbortController()
    const told: number[] = []
    const waiting = Array.from({ length: count }, (_, i) => ({ aborted: () => told.push(i) }))
    for (const one of waiting) watchSignal(controller.signal, one)
    const listeners = () => getEventListeners(controller.signal, 'abort').length
    return { controller, told, waiting, listeners }
  }

  it('has one listener, and tells each in order, once', () => {
    const { controller, told, listeners } = many(5)
    expect(listeners()).to.equal(1)
    controller.abort()
    expect([told, listeners()]).to.deep.equal([[0, 1, 2, 3, 4], 0])
  })

  it('has none when nobody waits any more, and does not tell those who left', () => {
    const { controller, told, waiting, listeners } = many(3)
    for (const one of waiting.slice(0, 2)) unwatchSignal(controller.signal, one)
    expect(listeners()).to.equal(1)
    unwatchSignal(controller.signal, waiting[2] as (typeof waiting)[number])
    expect(listeners()).to.equal(0)
    watchSignal(controller.signal, waiting[1] as (typeof waiting)[number])
    controller.abort()
    expect(told).to.deep.equal([1])
  })

  it('may be left by one of them while it tells', () => {
    const { controller, told, waiting } = many(2)
    watchSignal(controller.signal, {
      aborted: () => {
        for (const one of waiting) unwatchSignal(controller.signal, one)
      }
    })
    controller.abort()
    expect(told).to.deep.equal([0, 1])
  })
})

describe('a signal that closes', () => {
  it('is listened to once for all that it closes, and no longer when they have closed', async () => {
    const { signal } = new AbortController()
    const closes: (() => void)[] = []
    for (let i = 0; i < 20; i++)
      closeOnAbort(signal, new Promise<void>(resolve => closes.push(resolve)), () => {})
    expect(getEventListeners(signal, 'abort')).to.have.length(1)
    for (const close of closes) close()
    await settled()
    expect(getEventListeners(signal, 'abort')).to.have.length(0)
  })

  it('closes all when it aborts', () => {
    const controller = new AbortController()
    let count = 0
    for (let i = 0; i < 3; i++) closeOnAbort(controller.signal, new Promise(() => {}), () => count++)
    controller.abort()
    expect(count).to.equal(3)
  })

  it('that has aborted before closes in the next tick, and not in the call', async () => {
    let count = 0
    closeOnAbort(AbortSignal.abort(), new Promise(() => {}), () => count++)
    expect(count).to.equal(0)
    await settled()
    expect(count).to.equal(1)
  })
})
