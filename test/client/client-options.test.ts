import { PassThrough } from 'node:stream'
import { createSecureContext } from 'node:tls'
import { expect } from 'chai'
import { clientSettings } from '../../lib/client/client-options'
import { fullJitter } from '../../lib/client/reconnect'
import type { TokenError } from '../../lib/errors/token-error'
import { CONNECTION_CHECKS } from '../../lib/options/connection-options'
import { CONNECT_CHECKS, CONTEXT_CHECKS } from '../../lib/options/node-options'
import { refusesOption, show, wrongFor } from '../helpers/refusal'

describe('clientSettings', () => {
  it('takes its own options and those of connections, and leaves the rest to Node', () => {
    const settings = clientSettings({ port: 1, servername: 'a', connectTimeout: 0, idleTimeout: 9 })
    expect(settings.tls).to.deep.equal({ servername: 'a' })
    expect(settings.servers).to.deep.equal([{ port: 1 }])
    expect(settings).to.include({ connectTimeout: 0, refusedRetryTimeout: 1000 })
    expect(settings.connection.idleTimeout).to.equal(9)
  })

  const refused: [Record<string, unknown>, string][] = [
    [{ connectTimeout: -1 }, 'connectTimeout'],
    [{ refusedRetryTimeout: 1.5 }, 'refusedRetryTimeout'],
    [{ stablePeriod: -1 }, 'stablePeriod'],
    [{ protocol: 'token/3' }, 'protocol'],
    [{ outboxBytes: 1 }, 'outboxBytes'],
    [{ reconnect: 5 }, 'reconnect'],
    [{ reconnect: 'false' }, 'reconnect'],
    [{ reconnect: { maxDelay: 5 } }, 'reconnect'],
    [{ reconnect: fullJitter }, 'reconnect'],
    [{ servername: 5 }, 'servername'],
    [{ family: 7 }, 'family'],
    [{ localAddress: 'nope' }, 'localAddress'],
    [{ lookup: 'x' }, 'lookup'],
    [{ checkServerIdentity: 'x' }, 'checkServerIdentity'],
    [{ minDHSize: 'x' }, 'minDHSize'],
    [{ session: Buffer.alloc(3) }, 'session'],
    [{ session: { windowByte: 5 } }, 'session.windowByte'],
    [{ timeout: 5 }, 'timeout'],
    [{ requestOCSP: true }, 'requestOCSP']
  ]
  for (const [options, name] of refused) {
    it(`refuses ${show(options)}`, () => refusesClient({ port: 1, ...options }, name))
  }

  it('refuses, of each option by name, what its kind of value is not', () => {
    const checked = { ...CONNECTION_CHECKS, ...CONNECT_CHECKS, ...CONTEXT_CHECKS }
    for (const name of [...Object.keys(checked), 'reconnect', 'servers', 'connectTimeout', 'stablePeriod']) {
      for (const value of wrongFor(checked[name])) refusesClient({ port: 1, [name]: value }, name)
    }
  })

  it('refuses a port that is not there or is none, at the top and in each of the servers', () => {
    for (const port of [undefined, null, '', NaN, 'abc', 0, 80_900]) {
      refusesClient({ port }, 'port')
      refusesClient(
        {
          servers: [
            { host: 'a', port: 1 },
            { host: 'b', port }
          ]
        },
        'servers[1].port'
      )
    }
    refusesClient({ host: 'localhost' }, 'port')
    refusesClient({}, 'port')
  })

  it('refuses servers that are no list of addresses', () => {
    refusesClient({ servers: [] }, 'servers')
    refusesClient({ servers: 'localhost:8090' }, 'servers')
    refusesClient({ servers: { host: 'localhost', port: 8090 } }, 'servers')
    refusesClient({ servers: null }, 'servers')
    refusesClient({ servers: ['localhost:8090'] }, 'servers[0]')
    refusesClient({ servers: [{ hostname: 'a', port: 1 }] }, 'servers[0].hostname')
    refusesClient({ servers: [{ host: 'a:1', port: 1 }] }, 'servers[0].host')
    refusesClient({ servers: [{ port: 1, path: '/x' }] }, 'servers[0].path')
  })

  it('takes from beside the list of servers what one of them does not name', () => {
    const { servers } = clientSettings({ port: 8090, servers: [{ host: 'a' }, { host: 'b', port: 1 }] })
    expect(servers).to.deep.equal([
      { host: 'a', port: 8090 },
      { host: 'b', port: 1 }
    ])
  })

  it('refuses a path beside a port, and takes one beside the host, whose name the certificate must have', () => {
    refusesClient({ port: 1, path: '/x' }, 'path')
    expect(clientSettings({ host: 'a', path: '/x' }).servers).to.deep.equal([{ host: 'a', path: '/x' }])
  })

  it('writes a host as a certificate has it', () => {
    for (const [host, written] of [
      ['münchen.example', 'xn--mnchen-3ya.example'],
      ['[::1]', '::1'],
      ['fe80::1%lo', 'fe80::1%lo'],
      ['Localhost.', 'Localhost.']
    ] as const) {
      expect(clientSettings({ port: 1, host }).servers).to.deep.equal([{ host: written, port: 1 }])
    }
  })

  it('refuses a socket with what would dial again, and what only a dial obeys', () => {
    const socket = new PassThrough()
    expect(clientSettings({ socket }).tls).to.deep.equal({ socket })
    expect(clientSettings({ socket, host: 'a', port: 1 }).servers).to.deep.equal([{ host: 'a', port: 1 }])
    for (const option of [{ reconnect: true }, { reconnect: fullJitter() }, { session: true }]) {
      refusesClient({ socket, ...option }, 'socket')
    }
    refusesClient({ socket, servers: [{ port: 1 }] }, 'servers')
    refusesClient({ socket, path: '/x' }, 'path')
    refusesClient({ socket, family: 4 }, 'family')
  })

  it('refuses a secureContext beside what it was to be made of', () => {
    const secureContext = createSecureContext()
    expect(clientSettings({ port: 1, secureContext }).tls).to.deep.equal({ secureContext })
    for (const option of [{ ca: 'x' }, { key: 'x' }, { minVersion: 'TLSv1.2' }, { ciphers: 'x' }]) {
      refusesClient({ port: 1, secureContext, ...option }, Object.keys(option)[0] as string)
    }
  })

  it('gives tls.connect no option that a context is made of', () => {
    const { tls, context } = clientSettings({
      port: 1,
      key: 'k',
      cert: 'c',
      ca: 'a',
      passphrase: 'p',
      pfx: 'x'
    })
    expect(tls).to.deep.equal({})
    expect(context).to.deep.equal({ key: 'k', cert: 'c', ca: 'a', passphrase: 'p', pfx: 'x' })
  })

  it('refuses a misspelt name of an option, and says which one was meant', () => {
    for (const [name, meant] of [
      ['reconect', 'reconnect'],
      ['hearbeat', 'heartbeat'],
      ['conectTimeout', 'connectTimeout'],
      ['serverName', 'servername'],
      ['rejectUnathorized', 'rejectUnauthorized']
    ] as const) {
      const error = refusesClient({ port: 1, [name]: false }, name)
      expect(error.message).to.match(new RegExp(`did you mean ${meant}\\?$`))
    }
  })
})

function refusesClient(options: object, name: string): TokenError {
  return refusesOption(() => clientSettings(options), name)
}
