import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { loadCertificates } from '@token-server/certs'
import { closesWhatItOpened, onCleanUp, Program } from '@token-server/test-helpers'
import { expect } from 'chai'
import { TokenClient } from 'token-server'
import { folder } from './helpers/services'

const PACKAGE = join(__dirname, '../..')
const EXAMPLE = join(PACKAGE, 'examples/hello.js')
const README = readFileSync(join(PACKAGE, 'README.md'), 'utf8')

describe('README.md', () => {
  closesWhatItOpened()

  it('shows the example that the tests run, of at most 20 lines', () => {
    const example = readFileSync(EXAMPLE, 'utf8')
    expect(README).to.include(example)
    expect(example.split('\n').length).to.be.at.most(21)
  })

  it('begins with a server that serves tokens, HTTP and health on one port, and drains', async () => {
    const where = folder()
    const env = { ...process.env, PORT: '0', HOST: '127.0.0.1' }
    const program = new Program(process.execPath, [EXAMPLE], where, env)
    onCleanUp(() => program.kill('SIGKILL'))
    await program.printed('hello is ready')
    const { port } = JSON.parse(program.stdout.trim().split('\n').at(-1) as string) as { port: number }
    const certificates = loadCertificates(join(where, 'certs'), 'client')
    for (const [path, body] of [
      ['/hello', 'hello by HTTP'],
      ['/ready', '{"ready":true}']
    ]) {
      const socket = connect({ host: '127.0.0.1', port, ca: certificates.ca(), ALPNProtocols: ['http/1.1'] })
      onCleanUp(() => socket.destroy())
      socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
      let text = ''
      for await (const part of socket) text += part
      expect(text)
        .to.match(/^HTTP\/1\.1 200 OK/)
        .and.include(body)
    }
    const client = new TokenClient({ host: '127.0.0.1', port, ...certificates })
    onCleanUp(() => client.closed)
    await client.ready
    client.send(Buffer.from('ann'))
    expect(String((await once(client, 'token'))[0])).to.equal('hello by token, ann')
    program.kill('SIGTERM')
    const { code, stdout } = await program.ended
    expect([code, stdout.includes('goodbye')]).to.deep.equal([0, true])
  })
})
