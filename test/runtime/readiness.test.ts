import { EventEmitter } from 'node:events'
import { expect } from 'chai'
import { Readiness, tellError } from '../../lib/runtime/readiness'
import { escapedDuring } from '../helpers/moments'

describe('Readiness', () => {
  it('says the same to those who ask before and after', async () => {
    const readiness = new Readiness()
    const before = readiness.promise
    readiness.succeed()
    readiness.fail(new Error('too late'), false)
    await before
    await readiness.promise
    const failed = new Readiness()
    const error = new Error('of the test')
    failed.fail(error, true)
    failed.succeed()
    expect(await failed.promise.catch(failure => failure)).to.equal(error)
  })

  it('is awaited from the first question until it is known', () => {
    const readiness = new Readiness()
    expect(readiness.isAwaited).to.equal(false)
    void readiness.promise
    expect(readiness.isAwaited).to.equal(true)
    readiness.succeed()
    expect(readiness.isAwaited).to.equal(false)
  })

  it('rejects aloud only what nobody else is told', async () => {
    for (const isTold of [true, false]) {
      for (const isAsked of [true, false]) {
        const { unhandled } = await escapedDuring(() => {
          const readiness = new Readiness()
          if (isAsked) void readiness.promise
          readiness.fail(new Error('of the test'), isTold)
          return Promise.resolve()
        })
        expect(unhandled.length, `told ${isTold}, asked ${isAsked}`).to.equal(!isTold && isAsked ? 1 : 0)
      }
    }
  })
})

describe('tellError', () => {
  it('emits the error, unless it would be thrown and somebody waits for the promise', async () => {
    for (const [hasListener, isAsked, told] of [
      [true, true, 'event, rejection'],
      [true, false, 'event'],
      [false, true, 'rejection'],
      [false, false, 'thrown']
    ] as const) {
      const seen: string[] = []
      const { uncaught } = await escapedDuring(() => {
        const emitter = new EventEmitter<{ error: [error: Error] }>()
        const readiness = new Readiness()
        if (hasListener) emitter.on('error', () => seen.push('event'))
        if (isAsked) readiness.promise.catch(() => seen.push('rejection'))
        tellError(emitter, new Error('of the test'), readiness)
        return Promise.resolve()
      })
      if (uncaught.length > 0) seen.push('thrown')
      expect(seen.join(', ')).to.equal(told)
    }
  })
})
