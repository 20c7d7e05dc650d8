import { expect } from 'chai'
import { Readiness } from '../../lib'

describe('Readiness', () => {
  it('is there until something is in the way, and again when it is gone', () => {
    const readiness = new Readiness()
    const changes: boolean[] = []
    readiness.on('change', isReady => changes.push(isReady))
    expect(readiness.isReady).to.equal(true)
    readiness.set('a', 'why a')
    readiness.set('b', 'why b')
    readiness.set('a', null)
    expect(readiness.because()).to.deep.equal([['b', 'why b']])
    readiness.set('b', null)
    expect(readiness.isReady).to.equal(true)
    expect(changes).to.deep.equal([false, true])
  })

  it('asks its checks each time, and takes one that throws for a no', () => {
    const readiness = new Readiness()
    let why: string | null = null
    const remove = readiness.add('disk', () => why)
    readiness.add('broken', () => {
      if (why !== null) throw new Error('x')
      return null
    })
    expect(readiness.isReady).to.equal(true)
    why = 'it is full'
    expect(readiness.because()).to.deep.equal([
      ['disk', 'it is full'],
      ['broken', 'its check failed']
    ])
    remove()
    expect(readiness.because()).to.have.length(1)
  })
})
