import { constants } from 'node:crypto'
import { once } from 'node:events'
import tls, { connect, DEFAULT_CIPHERS, type SecureContextOptions, type TLSSocket } from 'node:tls'
import { expect } from 'chai'
import { clientSettings } from '../../lib/client/client-options'
import { serverSettings } from '../../lib/server/server-options'
import { secureContext, secureDefaults } from '../../lib/tls/context'
import { certificates } from '../helpers/certificates'
import { closesWhatItOpened, connectPair, onCleanUp, startServer } from '../helpers/loopback'
import { refusal, refusesOption, show } from '../helpers/refusal'

describe('TLS defaults', () => {
  closesWhatItOpened()

  it('are TLS 1.3 at least, and no renegotiation', () => {
    const { minVersion, secureOptions } = secureDefaults<SecureContextOptions>({})
    expect(minVersion).to.equal('TLSv1.3')
    expect(secureOptions).to.equal(constants.SSL_OP_NO_RENEGOTIATION)
  })

  it('leave a minVersion of the caller, and add to his secureOptions', () => {
    const options = secureDefaults({ minVersion: 'TLSv1.2', secureOptions: constants.SSL_OP_NO_TICKET })
    expect(options.minVersion).to.equal('TLSv1.2')
    expect(options.secureOptions).to.equal(constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION)
  })

  it('leave out minVersion beside secureProtocol, which Node would refuse', () => {
    expect(secureDefaults<SecureContextOptions>({ secureProtocol: 'TLSv1_2_method' }).minVersion).to.equal(
      undefined
    )
    expect(() => secureContext({ secureProtocol: 'TLSv1_2_method' })).not.to.throw()
  })

  it('put AES with 128 bits first, and take nothing off what Node offers', () => {
    const ciphers = secureDefaults<SecureContextOptions>({}).ciphers?.split(':') ?? []
    expect(ciphers[0]).to.equal('TLS_AES_128_GCM_SHA256')
    expect([...ciphers].sort()).to.deep.equal(DEFAULT_CIPHERS.split(':').sort())
  })

  it('leave the ciphers of the caller', () => {
    expect(secureDefaults({ ciphers: 'TLS_AES_256_GCM_SHA384' }).ciphers).to.equal('TLS_AES_256_GCM_SHA384')
  })

  it('tell what Node refuses by ERR_OPTION, and quote nothing of it', () => {
    for (const options of [
      { cert: 'no certificate' },
      { ca: 'no ca', key: 'no key' },
      { ciphers: 'NONE-SUCH' },
      { ticketKeys: 'the secret of all tickets' as never }
    ]) {
      const error = refusal(() => secureContext(options))
      expect([error.code, error.cause]).to.deep.equal(['ERR_OPTION', undefined])
      expect(error.message).to.match(/Node refuses (?:it|them)/)
    }
  })

  const { SSL_OP_ALL, SSL_OP_NO_TLSv1_2, SSL_OP_NO_TLSv1_3 } = constants
  const OLD = 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256'

  for (const [options, name] of [
    [{ maxVersion: 'TLSv1.2' }, 'maxVersion'],
    [{ maxVersion: 'TLSv1' }, 'maxVersion'],
    [{ minVersion: 'TLSv1.3', maxVersion: 'TLSv1.2' }, 'maxVersion'],
    [{ secureOptions: SSL_OP_NO_TLSv1_3 }, 'secureOptions'],
    [
      { minVersion: 'TLSv1.2', secureOptions: SSL_OP_ALL | SSL_OP_NO_TLSv1_2 | SSL_OP_NO_TLSv1_3 },
      'secureOptions'
    ],
    [{ ciphers: OLD }, 'ciphers'],
    [{ ciphers: 'HIGH:!aNULL:!TLS_AES_128_GCM_SHA256' }, 'ciphers'],
    [{ minVersion: 'TLSv1.2', secureOptions: SSL_OP_NO_TLSv1_2, ciphers: OLD }, 'ciphers'],
    [{ minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', ciphers: 'TLS_AES_128_GCM_SHA256' }, 'ciphers']
  ] as const) {
    it(`refuse ${show(options)}, with which no handshake can succeed`, () => {
      for (const make of [
        () => serverSettings({ port: 0, ...options }),
        () => clientSettings({ port: 1, ...options })
      ]) {
        refusesOption(make, name)
      }
    })
  }

  it('say which bound is the default', () => {
    const error = refusal(() => serverSettings({ port: 0, maxVersion: 'TLSv1.2' }))
    expect(error.message).to.match(/maxVersion is TLSv1\.2, and minVersion is TLSv1\.3, the default here$/)
  })

  it('refuse a Node that was started without TLS 1.3, unless minVersion allows less', () => {
    const { DEFAULT_MAX_VERSION } = tls
    tls.DEFAULT_MAX_VERSION = 'TLSv1.2'
    try {
      refusesOption(() => clientSettings({ port: 1 }), 'minVersion')
      clientSettings({ port: 1, minVersion: 'TLSv1.2' })
    } finally {
      tls.DEFAULT_MAX_VERSION = DEFAULT_MAX_VERSION
    }
  })

  for (const options of [
    { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', ciphers: OLD },
    { minVersion: 'TLSv1.2', ciphers: OLD },
    { minVersion: 'TLSv1.2', ciphers: 'TLS_AES_128_GCM_SHA256' },
    { minVersion: 'TLSv1.2', secureOptions: SSL_OP_NO_TLSv1_3 },
    { secureOptions: SSL_OP_ALL },
    { secureOptions: SSL_OP_ALL >>> 0 },
    { secureProtocol: 'TLSv1_2_method' },
    { ciphers: 'TLS_AES_256_GCM_SHA384' }
  ] as const) {
    it(`let both sides connect with ${show(options)}`, async () => {
      const { server } = await startServer(options)
      const { connection } = await connectPair(server, options)
      const { standardName, version } = (connection.socket as TLSSocket).getCipher()
      if ('maxVersion' in options || 'secureProtocol' in options) expect(version).to.equal('TLSv1.2')
      if (options.ciphers?.startsWith('TLS_')) expect(standardName).to.equal(options.ciphers)
    })
  }

  it('hold on the wire: TLS 1.3, and ALPN token/2', async () => {
    const { server } = await startServer()
    const { client, connection } = await connectPair(server)
    for (const socket of [client.connection?.socket, connection.socket] as TLSSocket[]) {
      expect(socket.getProtocol()).to.equal('TLSv1.3')
      expect(socket.alpnProtocol).to.equal('token/2')
    }
  })

  it('refuse a client of TLS 1.2, unless minVersion allows it', async () => {
    const strict = await startServer()
    expect(await dial(strict.port)).to.equal('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION')
    const lenient = await startServer({ minVersion: 'TLSv1.2' })
    expect(await dial(lenient.port)).to.equal('TLSv1.2')
  })

  it('accept a client without ALPN, as other languages write it', async () => {
    const { server, port } = await startServer()
    const accepted = once(server, 'connection')
    expect(await dial(port, { maxVersion: 'TLSv1.3' })).to.equal('TLSv1.3')
    await accepted
  })

  it('refuse a client that offers only another ALPN', async () => {
    const { server, port } = await startServer()
    const refused = once(server, 'refused')
    const outcome = await dial(port, { maxVersion: 'TLSv1.3', ALPNProtocols: ['http/1.1'] })
    expect(outcome).to.match(/ALERT_NO_APPLICATION_PROTOCOL/)
    expect((await refused)[0]).to.include({ code: 'ERR_HANDSHAKE' })
    expect(server.connections.size).to.equal(0)
  })

  /** The version that a handshake ended with, or the code of its error. */
  async function dial(port: number, over: { maxVersion?: 'TLSv1.3'; ALPNProtocols?: string[] } = {}) {
    const { ca, client } = await certificates()
    const socket = connect({
      host: '127.0.0.1',
      port,
      ca,
      ...client,
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.2',
      ...over
    })
    onCleanUp(() => socket.destroy())
    return await new Promise<string | null>(resolve => {
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.name))
      socket.on('secureConnect', () => resolve(socket.getProtocol()))
    })
  }
})
