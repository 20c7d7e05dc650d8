import { once } from 'node:events'
import { expect } from 'chai'
import { type CloseInfo, Connection } from '../../lib'
import { FakeClock } from '../../lib/testing'
import { destroyPairs, memoryPair } from '../helpers/pairs'

describe('The time that an end in order may take, when the peer has ended and nobody takes its last tokens,', () => {
  let clock: FakeClock
  let restoreClock: () => void

  beforeEach(() => {
    clock = new FakeClock()
    restoreClock = clock.install()
  })

  afterEach(async () => {
    restoreClock()
    await destroyPairs()
  })

  /** The peer has a stream that nobody reads, and so takes one token at most. */
  async function connected(closeTimeout: number): Promise<{ own: Connection; end: () => void }> {
    const [one, other] = memoryPair()
    const own = new Connection(one, { protocol: 'token/2', role: 'client', heartbeat: 1_000, closeTimeout })
    const peer = new Connection(other, {
      protocol: 'token/2',
      role: 'server',
      heartbeat: 1_000,
      receiveWindow: 1,
      closeTimeout: Number.POSITIVE_INFINITY
    })
    own.on('error', () => {})
    peer.on('error', () => {})
    await Promise.all([once(own, 'open'), once(peer, 'open')])
    peer.send(Buffer.from('nobody takes it'))
    return {
      own,
      end: () =>
        peer
          .stream()
          .on('error', () => {})
          .end()
    }
  }

  function infoOf(connection: Connection): { readonly info: CloseInfo | null } {
    const told: { info: CloseInfo | null } = { info: null }
    void connection.closed.then(info => (told.info = info))
    return told
  }

  it('is the timeout of close(), not closeTimeout from the end of the peer on', async () => {
    const { own, end } = await connected(60_000)
    const told = infoOf(own)
    for (let i = 0; i < 3; i++) own.send(Buffer.from('waits for credit'))
    own.close({ timeout: 300 })
    end()
    await clock.elapse(200)
    expect(told.info).to.equal(null)
    await clock.elapse(1_000)
    expect(told.info).to.include({ code: 'ERR_CLOSE_TIMEOUT' })
  })

  it('is closeTimeout, however often the peer says that it is still there', async () => {
    const { own, end } = await connected(3_000)
    const told = infoOf(own)
    end()
    await clock.elapse(2_500)
    expect(told.info).to.equal(null)
    await clock.elapse(2_000)
    expect(told.info).to.include({ code: 'ERR_CLOSE_TIMEOUT' })
  })
})
