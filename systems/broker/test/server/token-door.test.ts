import { join } from 'node:path'
import { loadCertificates } from '@token-server/certs'
import { expect } from 'chai'
import { TopicClient } from '../../lib/client'
import { TestServer } from '../helpers/running-broker'
import { handlerToken } from '../helpers/test-broker'

describe('The port of the broker, for clients of the token door', () => {
  let server: TestServer
  const clients: TopicClient[] = []

  afterEach(async () => {
    for (const client of clients.splice(0)) await client.close({ timeout: 0 })
    await server.stop()
  })

  function dial(options: { token?: string; certificate?: boolean }): TopicClient {
    const { token, certificate = false } = options
    const own = certificate ? loadCertificates(join(server.folder, 'certs'), 'client') : { ca: server.ca }
    const connect = { host: 'localhost', port: server.port, reconnect: false, session: false, ...own }
    const client = new TopicClient({ connect, ...(token === undefined ? {} : { token }) })
    clients.push(client)
    return client
  }

  const failureOf = (client: TopicClient) => client.ready.then(String, (error: Error) => error.message)

  it('takes a certificate of its authority, with or without a token, and nobody without one', async () => {
    server = await TestServer.start()
    expect(await dial({ certificate: true }).ready).to.include({ id: 'client', kind: 'handler' })
    expect(await dial({ certificate: true, token: await handlerToken('h') }).ready).to.include({
      id: 'handler-h'
    })
    expect(await failureOf(dial({ token: await handlerToken('h') }))).to.match(/certificate/)
  })

  it('takes a token alone with TOKEN_CERTIFICATE=optional, and nobody with neither', async () => {
    server = await TestServer.start({ TOKEN_CERTIFICATE: 'optional' })
    expect(await dial({ token: await handlerToken('h') }).ready).to.include({
      id: 'handler-h',
      kind: 'handler'
    })
    expect(await failureOf(dial({}))).to.match(/no trusted certificate names somebody/)
    expect(await failureOf(dial({ token: `${await handlerToken('h')}x` }))).to.match(
      /The broker refused it|has ended the connection/
    )
    expect(await dial({ certificate: true }).ready).to.include({ id: 'client' })
  })
})
