import { expect } from 'chai'
import { serverSettings, type TokenServerOptions } from '../lib/server-options'
import { refusal, show } from './helpers/refusal'

describe('serverSettings', () => {
  it('takes its own options and those of connections, and leaves the rest to Node', () => {
    const settings = serverSettings({
      port: 1,
      host: 'localhost',
      cert: 'c',
      maxTokenLength: 5,
      maxConnections: 7,
      handshakeTimeout: 100
    })
    expect(settings.tls).to.deep.equal({ port: 1, host: 'localhost', cert: 'c' })
    expect(settings.connection).to.include({ maxTokenLength: 5, closeTimeout: 10_000 })
    expect(settings).to.include({
      maxConnections: 7,
      maxConnectionsPerAddress: 4096,
      maxPendingHandshakes: 16_384,
      handshakeTimeout: 100
    })
    expect(Object.isFrozen(settings)).to.equal(true)
  })

  const refused: [Record<string, unknown>, string][] = [
    [{ ALPNProtocols: ['h2'] }, 'ALPNProtocols'],
    [{ ALPNCallback: () => 'x' }, 'ALPNCallback'],
    [{ allowHalfOpen: false }, 'allowHalfOpen'],
    [{ pauseOnConnect: true }, 'pauseOnConnect'],
    [{ maxConnections: 0 }, 'maxConnections'],
    [{ maxConnectionsPerAddress: 0.5 }, 'maxConnectionsPerAddress'],
    [{ maxPendingHandshakes: -1 }, 'maxPendingHandshakes'],
    [{ handshakeTimeout: 0 }, 'handshakeTimeout'],
    [{ handshakeTimeout: Infinity }, 'handshakeTimeout'],
    [{ maxConnectionsPerIdentity: 0 }, 'maxConnectionsPerIdentity'],
    [{ memoryBudgetBytes: 0 }, 'memoryBudgetBytes'],
    [{ maxQueueAge: -1 }, 'maxQueueAge'],
    [{ slowConsumer: 'wait' }, 'slowConsumer'],
    [{ protocol: 'token/3' }, 'protocol'],
    [{ maxTokenLength: -1 }, 'maxTokenLength']
  ]
  for (const [options, name] of refused) {
    it(`refuses ${show(options)}`, () => {
      const error = refusal(() => serverSettings(options as TokenServerOptions))
      expect(error.code).to.equal('ERR_OPTION')
      expect(error.message).to.contain(`option ${name}: it `)
    })
  }
})
