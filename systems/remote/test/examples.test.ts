import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { expect } from 'chai'

const PACKAGE = join(__dirname, '../..')

/** Where both examples meet, as they stand. */
const PORT = 8_080

function isTaken(): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(PORT, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

describe('The examples', () => {
  let server: ChildProcess | undefined

  afterEach(() => server?.kill('SIGKILL'))

  it('of server and client meet, as they stand', async function () {
    this.timeout(60_000)
    if (await isTaken()) {
      if (process.env.CI) throw new Error(`Cannot run the examples: port ${PORT} is taken`)
      console.log(`      skipped: port ${PORT} is taken`)
      this.skip()
    }
    server = spawn(process.execPath, [join(PACKAGE, 'examples/server.js')], { stdio: 'inherit' })
    while (!(await isTaken())) {
      if (server.exitCode !== null) throw new Error('the server has ended')
      await wait(50)
    }
    const client = spawn(process.execPath, [join(PACKAGE, 'examples/client.js')], {
      stdio: ['ignore', 'pipe', 'inherit']
    })
    try {
      let output = ''
      for await (const chunk of client.stdout) {
        output += chunk
        if (output.includes('\n')) break
      }
      expect(output).to.equal('result result example\n')
    } finally {
      client.kill('SIGKILL')
    }
  })

  it('of the package are there in every form of import', () => {
    const print =
      'console.log([new Server().host, new Client().send, RemoteError.name, Server.Server === Server].map(String).length)'
    const forms = [
      [
        '-e',
        `const Server = require('@token-server/remote'); const { Client, RemoteError } = Server; ${print}`
      ],
      ['-e', `const { Client, RemoteError, Server } = require('@token-server/remote'); ${print}`],
      [
        '--input-type=module',
        '-e',
        `import { Client, RemoteError, Server } from '@token-server/remote'; ${print}`
      ],
      [
        '--input-type=module',
        '-e',
        `import Server from '@token-server/remote'; const { Client, RemoteError } = Server; ${print}`
      ],
      [
        '-e',
        `const { Client, RemoteError } = require('@token-server/remote/browser'); const Server = function () {}; ${print}`
      ]
    ]
    for (const form of forms)
      expect(execFileSync(process.execPath, form, { cwd: PACKAGE, encoding: 'utf8' })).to.equal('4\n')
  })
})
