import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { expect } from 'chai'

const PACKAGE = join(__dirname, '../..')

/** Where the examples meet, as they stand. */
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

describe('The examples', function () {
  this.timeout(120_000)
  const running = new Set<ChildProcess>()
  let folder: string

  beforeEach(async function () {
    folder = mkdtempSync(join(tmpdir(), 'examples-'))
    if (!(await isTaken())) return
    if (process.env.CI) throw new Error(`Cannot run the examples: port ${PORT} is taken`)
    console.log(`      skipped: port ${PORT} is taken`)
    this.skip()
  })

  afterEach(async () => {
    for (const program of running) await stop(program)
    rmSync(folder, { recursive: true })
  })

  /** A program of the package, in a folder of its own. */
  function run(path: string, ...args: string[]) {
    const program = spawn(process.execPath, [join(PACKAGE, path), ...args], {
      cwd: folder
    })
    running.add(program)
    let output = ''
    let errors = ''
    program.stderr.setEncoding('utf8').on('data', text => {
      errors += text
    })
    program.stdout.setEncoding('utf8').on('data', text => {
      output += text
    })
    const ended = new Promise<string>(resolve => program.once('close', () => resolve(output)))
    const says = async (pattern: RegExp): Promise<string> => {
      for (;;) {
        const [match] = pattern.exec(output) ?? []
        if (match !== undefined) return match
        if (program.exitCode !== null) throw new Error(`${path} ended without ${pattern}: ${output}${errors}`)
        await wait(20)
      }
    }
    return { program, ended, says }
  }

  async function start(path: string) {
    const device = run(path)
    while (!(await isTaken())) {
      if (device.program.exitCode !== null) throw new Error('the device has ended')
      await wait(50)
    }
    return device
  }

  async function stop(program: ChildProcess): Promise<void> {
    running.delete(program)
    if (program.exitCode !== null || program.signalCode !== null) return
    const gone = new Promise(resolve => program.once('exit', resolve))
    program.kill('SIGKILL')
    await gone
  }

  it('of server and client meet, as they stand', async () => {
    await start('examples/server.js')
    expect(await run('examples/client.js').says(/.*\n/)).to.equal('result result example\n')
  })

  it('of the README meet, and the client ends', async () => {
    await start('examples/hello/device.js')
    expect(await run('examples/hello/client.js').ended).to.equal(
      '70 %, as you like\nhandler-failed yes Cannot do what was asked: because its handler threw\n'
    )
  })

  it('of phones pair by an invitation that the owner answers, and the phone comes again without it', async () => {
    const device = await start('examples/phones/device.js')
    const owner = run('bin/token-remote.js', 'invite', '--name', 'Ann', '--events', 'lamp.*', '--wait')
    const link = await owner.says(/ws:\S+m=paired/)
    await owner.says(/Waiting for the phone/)
    const phone = run('examples/phones/phone.js', link)
    const words = (await owner.says(/Its screen must show: .*\n/)).split(': ')[1] as string
    expect(await phone.says(/words: .*\n/)).to.equal(`words: ${words}`)
    owner.program.stdin.write('y\n')
    expect(await phone.ended).to.include('lamp.on is done for Ann\n')
    await stop(device.program)
    await start('examples/phones/device.js')
    expect(await run('examples/phones/phone.js').ended).to.equal('lamp.on is done for Ann\n')
  })

  it('stand in the README as they are', () => {
    const readme = readFileSync(join(PACKAGE, 'README.md'), 'utf8')
    for (const path of ['hello/device.js', 'hello/client.js', 'phones/device.js', 'phones/phone.js'])
      expect(readme, path).to.include(
        `\`\`\`js\n${readFileSync(join(PACKAGE, 'examples', path), 'utf8')}\`\`\``
      )
  })
})

describe('The package', function () {
  this.timeout(60_000)

  it('is there in every form of import', () => {
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
