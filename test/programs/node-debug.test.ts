import { expect } from 'chai'
import { copyExample, exampleFolder } from '../helpers/example-copies'
import { remove, runNode } from '../helpers/program'

describe('NODE_DEBUG=token-server', () => {
  let folder: string

  before(async () => {
    folder = await exampleFolder()
  })
  after(() => remove(folder))

  async function run(env: NodeJS.ProcessEnv): Promise<string> {
    const { name, port } = await copyExample('hello.cjs', folder)
    const { code, stderr } = await runNode([name], folder, { ...process.env, ...env })
    expect(code).to.equal(0)
    return stderr.replaceAll(String(port), 'PORT')
  }

  it('prints the life of a server, its client and their connection, a line each, and nothing of a token or a key', async () => {
    const lines = (await run({ NODE_DEBUG: 'token-server' })).trim().split('\n')
    const stories = lines.map(line => line.match(/^TOKEN-SERVER \d+: (\S+): \S/)?.[1])
    expect(stories).not.to.include(undefined)
    expect(stories).to.include.members(['server:listening', 'client:dial', 'server:close'])
    for (const [first, then] of [
      ['client:dial', 'client:connect'],
      ['server:listening', 'connection:open'],
      ['client:connect', 'connection:close'],
      ['connection:close', 'client:close'],
      ['client:close', 'server:close']
    ] as const) {
      const place = stories.indexOf(first)
      expect(place, first).to.be.within(0, stories.lastIndexOf(then) - 1)
    }
    const all = lines.join('\n')
    expect(all).to.match(
      / connection:open: Connection c\d+ <open, token\/2, CN=client, .*>, owner TokenServer$/m
    )
    expect(all).to.match(/ client:close: TokenClient <closed, .*>, info \{ code normal, hadError false \}$/m)
    expect(all).to.contain('localhost:PORT').and.contain('CN=')
    expect(all).not.to.match(/Hello|happy|BEGIN|PRIVATE/)
  })

  it('prints the error of a handler, and nothing of a token that a handler throws', async () => {
    const program = `
      const { Connection } = require('token-server')
      const { memoryPair } = require('token-server/testing')
      const { a, b } = memoryPair()
      const client = new Connection(a, { protocol: 'token/2', role: 'client' })
      const server = new Connection(b, { protocol: 'token/2', role: 'server' })
      server.handle(token => {
        throw token.length === 1 ? new TypeError('of the test') : token
      })
      const fates = [Buffer.from('1'), Buffer.from('SECRET')].map(token => client.deliver(token).catch(() => {}))
      Promise.all(fates).then(() => client.close())
    `
    const { stderr } = await runNode(['-e', program], folder, { ...process.env, NODE_DEBUG: 'token-server' })
    const told = stderr.split('\n').filter(line => line.includes('connection:handler-error'))
    expect(told.map(line => line.split('>, ')[1])).to.deep.equal([
      'error TypeError: of the test',
      'error, of type object'
    ])
    expect(stderr).not.to.include('SECRET')
  })

  it('prints nothing when it names others', async () => {
    expect(await run({ NODE_DEBUG: 'token' })).to.equal('')
  })
})
