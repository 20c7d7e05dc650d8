import { expect } from 'chai'
import type { TokenError } from '../../lib/errors/token-error'
import { CONNECTION_CHECKS } from '../../lib/options/connection-options'
import { CONTEXT_CHECKS, LISTEN_CHECKS, SERVER_CHECKS } from '../../lib/options/node-options'
import { serverSettings } from '../../lib/server/server-options'
import { refusesOption, show, wrongFor } from '../helpers/refusal'

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
    expect(settings.tls).to.deep.equal({ cert: 'c' })
    expect(settings.listen).to.deep.equal({ port: 1, host: 'localhost' })
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
    [{ maxConnectionsPerAddress: 0.5 }, 'maxConnectionsPerAddress'],
    [{ maxConnectRatePerAddress: 0 }, 'maxConnectRatePerAddress'],
    [{ maxPendingHandshakes: -1 }, 'maxPendingHandshakes'],
    [{ handshakeTimeout: Infinity }, 'handshakeTimeout'],
    [{ maxQueueAge: -1 }, 'maxQueueAge'],
    [{ slowConsumer: 'wait' }, 'slowConsumer'],
    [{ protocol: 'token/3' }, 'protocol'],
    [{ maxTokenLength: -1 }, 'maxTokenLength'],
    [{ authorize: 'nobody' }, 'authorize'],
    [{ authorize: { reason: 'x' } }, 'authorize'],
    [{ sessionIdentity: 'x', session: true }, 'sessionIdentity'],
    [{ protocols: [] }, 'protocols'],
    [{ protocols: { h2: null } }, 'protocols'],
    [{ protocols: { 'token/3': { handler() {}, clientCertificate: 'required' } } }, 'protocols'],
    [{ protocols: { h2: { handler() {} } } }, 'clientCertificate of h2'],
    [{ allowPartialTrustChain: true }, 'allowPartialTrustChain'],
    [{ requestCert: 0 }, 'requestCert'],
    [{ rejectUnauthorized: 'false' }, 'rejectUnauthorized'],
    [{ ticketKeys: Buffer.alloc(47) }, 'ticketKeys']
  ]
  for (const [options, name] of refused) {
    it(`refuses ${show(options)}`, () => refusesServer({ port: 0, ...options }, name))
  }

  it('refuses, of each option by name, what its kind of value is not', () => {
    const checked = { ...CONNECTION_CHECKS, ...SERVER_CHECKS, ...LISTEN_CHECKS, ...CONTEXT_CHECKS }
    for (const name of [...Object.keys(checked), ...OWN]) {
      for (const value of wrongFor(checked[name])) refusesServer({ port: 0, [name]: value }, name)
    }
  })

  it('refuses a port that is not there or is none: Node would listen on any', () => {
    for (const port of [undefined, null, '', NaN, 'abc', -1, 0.5, 65_536, 80_900, '0x10', ' 1', {}]) {
      refusesServer({ port }, 'port')
    }
    refusesServer({}, 'port')
    refusesServer({ host: 'localhost' }, 'port')
  })

  it('takes a port as a variable of the environment has it', () => {
    expect(serverSettings({ port: '8090' as never }).listen.port).to.equal(8090)
  })

  it('refuses an address that holds more than a name, and an empty one, which would be every address', () => {
    for (const host of [
      '',
      'tls://localhost',
      'localhost:80',
      '[localhost]:80',
      'a b',
      'a@b',
      'xn--\u{10ffff}é'
    ]) {
      refusesServer({ port: 0, host }, 'host')
    }
  })

  it('takes an IPv6 address with and without brackets', () => {
    for (const host of ['::1', '[::1]']) expect(serverSettings({ port: 0, host }).listen.host).to.equal('::1')
  })

  it('refuses a path that the system would cut', () => {
    expect(serverSettings({ path: `/${'x'.repeat(102)}` }).listen.path).to.have.length(103)
    refusesServer({ path: `/${'é'.repeat(54)}` }, 'path')
  })

  it('refuses two places to listen, and what has no effect at the one', () => {
    refusesServer({ port: 1, path: '/x' }, 'path')
    refusesServer({ port: 1, fd: 3 }, 'fd')
    for (const name of ['host', 'ipv6Only']) {
      refusesServer({ path: '/x', [name]: name === 'host' ? 'a' : true }, name)
    }
    for (const name of ['readableAll', 'writableAll']) refusesServer({ port: 0, [name]: true }, name)
    for (const name of ['backlog', 'exclusive']) {
      refusesServer({ fd: 3, [name]: name === 'backlog' ? 1 : true }, name)
    }
  })

  it('refuses a misspelt name of an option, and says which one was meant', () => {
    for (const [name, meant] of [
      ['authorise', 'authorize'],
      ['maxTokenLenght', 'maxTokenLength'],
      ['hots', 'host'],
      ['prot', 'port'],
      ['rejectUnathorized', 'rejectUnauthorized'],
      ['requestCerts', 'requestCert'],
      ['maxconnections', 'maxConnections']
    ] as const) {
      const error = refusesServer({ port: 0, [name]: true }, name)
      expect(error.message).to.match(new RegExp(`did you mean ${meant}\\?$`))
    }
  })

  it('leaves a name that looks like none of the options to Node, as one of a later version', () => {
    expect(serverSettings({ port: 0, name: 'x', tags: [] } as never).tls).to.deep.equal({
      name: 'x',
      tags: []
    })
  })

  it('refuses options that are no object', () => {
    for (const options of [undefined, null, 8090, 'localhost', [], () => {}]) {
      expect(() => serverSettings(options as never))
        .to.throw(/^Cannot use the options: they must be an object/)
        .with.property('code', 'ERR_OPTION')
    }
  })
})

const OWN = [
  'maxConnections',
  'maxSessions',
  'memoryBudgetBytes',
  'authorize',
  'sessionIdentity',
  'protocols'
]

function refusesServer(options: object, name: string): TokenError {
  return refusesOption(() => serverSettings(options), name)
}
