import { EventEmitter } from 'node:events'
import { expect } from 'chai'
import type { CloseInfo } from '../../lib'
import { TokenError } from '../../lib'
import { Lifetime } from '../../lib/runtime/lifetime'

describe('Lifetime', () => {
  function endOf(error: TokenError | null): CloseInfo {
    const code = error?.code ?? 'normal'
    return { code, hadError: error !== null, error, unsent: 0, unconfirmed: 0, undeliveredBytes: 0 }
  }

  /** One that somebody waits for, and what is told of it. */
  function begun() {
    const told: string[] = []
    const emitter = new EventEmitter()
    emitter.on('error', (error: TokenError) => told.push(`error ${error.code}`))
    emitter.on('close', (hadError: boolean) => told.push(`close ${hadError}`))
    const life = new Lifetime(emitter, 'Cannot begin: it was closed before')
    const begin = () => {
      life.begin()
      const ready = life.ready.then(
        () => void told.push('ready'),
        (error: TokenError) => void told.push(`not ready: ${error.code}`)
      )
      return Promise.all([ready, life.closed.then(info => void told.push(`closed ${info.code}`))])
    }
    return { life, begin, told }
  }

  it('that has begun and ends in order tells close alone', async () => {
    const { life, begin, told } = begun()
    const all = begin()
    life.succeed()
    life.end(endOf(null))
    await all
    expect(told.sort()).to.deep.equal(['close false', 'closed normal', 'ready'])
  })

  it('that ends by an error tells it by the event and by ready, and keeps it until it begins anew', async () => {
    const { life, begin, told } = begun()
    const all = begin()
    const error = new TokenError('ERR_CONNECT', 'of the test')
    life.end(endOf(error))
    await all
    expect(told.slice(0, 2)).to.deep.equal(['error ERR_CONNECT', 'close true'])
    expect(told.slice(2).sort()).to.deep.equal(['closed ERR_CONNECT', 'not ready: ERR_CONNECT'])
    expect(life.error).to.equal(error)
    void begin()
    expect(life.error).to.equal(null)
    life.succeed()
    await life.ready
  })

  it('that is closed before it is ready says so to who waits, and tells no error', async () => {
    const { life, begin, told } = begun()
    const all = begin()
    const said = life.ready.catch((error: TokenError) => error.message)
    life.end(endOf(null))
    await all
    expect(await said).to.equal('Cannot begin: it was closed before')
    expect(told.sort()).to.deep.equal(['close false', 'closed normal', 'not ready: ERR_ABORTED'])
  })

  for (const code of ['ERR_CLOSE_TIMEOUT', 'ERR_ABORTED'] as const) {
    it(`tells ${code}, which this side has decided, by close and no error`, async () => {
      const { life, begin, told } = begun()
      const all = begin()
      life.end(endOf(new TokenError(code, 'of the test')))
      await all
      expect(told.sort()).to.deep.equal(['close true', `closed ${code}`, `not ready: ${code}`])
    })
  }
})
