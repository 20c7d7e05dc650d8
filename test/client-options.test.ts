import { expect } from 'chai'
import { clientSettings, type TokenClientOptions } from '../lib/client-options'
import { refusal, show } from './helpers/refusal'

describe('clientSettings', () => {
  it('takes its own options and those of connections, and leaves the rest to Node', () => {
    const settings = clientSettings({ port: 1, servername: 'a', connectTimeout: 0, idleTimeout: 9 })
    expect(settings.tls).to.deep.equal({ port: 1, servername: 'a' })
    expect(settings).to.include({ connectTimeout: 0, refusedRetryTimeout: 1000 })
    expect(settings.connection.idleTimeout).to.equal(9)
  })

  const refused: [Record<string, unknown>, string][] = [
    [{ ALPNProtocols: ['h2'] }, 'ALPNProtocols'],
    [{ allowHalfOpen: true }, 'allowHalfOpen'],
    [{ timeout: 5 }, 'timeout'],
    [{ onread: {} }, 'onread'],
    [{ connectTimeout: -1 }, 'connectTimeout'],
    [{ refusedRetryTimeout: 1.5 }, 'refusedRetryTimeout'],
    [{ stablePeriod: -1 }, 'stablePeriod'],
    [{ servers: [] }, 'servers'],
    [{ protocol: 'token/3' }, 'protocol'],
    [{ outboxBytes: 1 }, 'outboxBytes']
  ]
  for (const [options, name] of refused) {
    it(`refuses ${show(options)}`, () => {
      const error = refusal(() => clientSettings(options as TokenClientOptions))
      expect(error.code).to.equal('ERR_OPTION')
      expect(error.message).to.contain(`option ${name}: it `)
    })
  }
})
