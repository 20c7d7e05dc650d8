import { EventEmitter } from 'node:events'
import { expect } from 'chai'
import { watchListeners } from '../../lib/runtime/watch-listeners'

function watched() {
  const emitter = new EventEmitter()
  const log: string[] = []
  watchListeners(emitter, 'token', {
    onAdd: () => void log.push('add'),
    onRemove: isLast => void log.push(isLast ? 'last removed' : 'removed')
  })
  return { emitter, log }
}

describe('watchListeners', () => {
  it('tells each listener that comes and goes, and which was the last', () => {
    const { emitter, log } = watched()
    const one = () => {}
    const two = () => {}
    emitter.on('token', one)
    emitter.prependListener('token', two)
    emitter.off('token', one)
    emitter.off('token', two)
    expect(log).to.deep.equal(['add', 'add', 'removed', 'last removed'])
  })

  it('says nothing of other events and of listeners that never were', () => {
    const { emitter, log } = watched()
    emitter.on('close', () => {})
    emitter.removeAllListeners('close')
    emitter.off('token', () => {})
    expect(log).to.deep.equal([])
  })

  it('tells that a `once` listener is gone before it is called', () => {
    const { emitter, log } = watched()
    emitter.once('token', () => log.push('called'))
    emitter.emit('token')
    expect(log).to.deep.equal(['add', 'last removed', 'called'])
  })

  it('keeps out a listener when onAdd throws', () => {
    const emitter = new EventEmitter()
    const watch = {
      onAdd: () => {
        throw new Error('no')
      },
      onRemove: () => {}
    }
    watchListeners(emitter, 'token', watch)
    expect(() => emitter.on('token', () => {})).to.throw('no')
    expect(emitter.listenerCount('token')).to.equal(0)
  })

  it('tells the last of removeAllListeners(event)', () => {
    const { emitter, log } = watched()
    emitter.on('token', () => {})
    emitter.on('token', () => {})
    emitter.removeAllListeners('token')
    expect(log.at(-1)).to.equal('last removed')
  })

  for (const events of [[], ['newListener'], ['removeListener']]) {
    it(`goes on after removeAllListeners(${events})`, () => {
      const { emitter, log } = watched()
      emitter.on('token', () => {})
      expect(emitter.removeAllListeners(...events)).to.equal(emitter)
      emitter.removeAllListeners('token')
      expect(log.splice(0)).to.deep.equal(['add', 'last removed'])
      emitter.on('token', () => {})
      emitter.removeAllListeners('token')
      expect(log).to.deep.equal(['add', 'last removed'])
    })
  }
})
