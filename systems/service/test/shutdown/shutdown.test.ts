import { setTimeout as wait } from 'node:timers/promises'
import { expect } from 'chai'
import { Shutdown } from '../../lib'

describe('Shutdown', () => {
  it('runs the phases in their order, and the steps of each in the order in which they were added', async () => {
    const ran: string[] = []
    const shutdown = new Shutdown()
    shutdown.add('bus', () => ran.push('bus'), 'outputs')
    shutdown.add('work 1', async () => {
      await wait(10)
      ran.push('work 1')
    })
    shutdown.add('port', () => ran.push('port'), 'doors')
    shutdown.add('work 2', () => ran.push('work 2'))
    const remove = shutdown.add('work 3', () => ran.push('work 3'))
    remove()
    expect(await shutdown.run('a test')).to.deep.equal({ late: [], failed: [] })
    expect(ran).to.deep.equal(['port', 'work 1', 'work 2', 'bus'])
  })

  it('runs once, however often it is asked', async () => {
    let runs = 0
    const shutdown = new Shutdown()
    shutdown.add('work', () => {
      runs++
    })
    expect(shutdown.isRunning).to.equal(false)
    const [first, second] = [shutdown.run('a'), shutdown.run('b')]
    expect(shutdown.isRunning).to.equal(true)
    expect(await first).to.equal(await second)
    expect(runs).to.equal(1)
  })

  it('goes on after a step that fails, and names it', async () => {
    const ran: string[] = []
    const shutdown = new Shutdown()
    shutdown.add('throws', () => {
      throw new Error('x')
    })
    shutdown.add('rejects', () => Promise.reject(new Error('y')))
    shutdown.add('last', () => ran.push('last'))
    expect(await shutdown.run('a test')).to.deep.equal({ late: [], failed: ['throws', 'rejects'] })
    expect(ran).to.deep.equal(['last'])
  })

  it('waits for nobody after its time, tells each so, and still asks those who come later', async () => {
    let isTold = false
    let wasLate: boolean | null = null
    const shutdown = new Shutdown({ timeout: 50 })
    shutdown.add('stuck', signal => {
      signal.addEventListener('abort', () => {
        isTold = true
      })
      return new Promise(() => {})
    })
    shutdown.add('later', signal => {
      wasLate = signal.aborted
      return new Promise(() => {})
    })
    expect((await shutdown.run('a test')).late).to.deep.equal(['stuck', 'later'])
    expect([isTold, wasLate]).to.deep.equal([true, true])
  })

  it('takes signals until it has run', async () => {
    const before = process.listenerCount('SIGUSR2')
    const codes: number[] = []
    const shutdown = new Shutdown({ exit: code => codes.push(code) })
    shutdown.onSignals(['SIGUSR2'])
    shutdown.onSignals(['SIGUSR2'])
    expect(process.listenerCount('SIGUSR2')).to.equal(before + 1)
    shutdown.add('work', () => wait(20))
    process.emit('SIGUSR2')
    process.emit('SIGUSR2')
    await shutdown.run('again')
    await Promise.resolve()
    expect(codes).to.deep.equal([128 + 12, 0])
    expect(process.listenerCount('SIGUSR2')).to.equal(before)
  })
})
