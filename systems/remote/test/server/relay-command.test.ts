import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { closesWhatItOpened, onCleanUp, remove, temporaryFolder, until } from '@token-server/test-helpers'
import { expect } from 'chai'

const PACKAGE = join(__dirname, '../../..')
const PROGRAM = join(__dirname, '../../../bin/token-relay.js')

/** The environment without what would configure the relay. */
const ENVIRONMENT = { PATH: process.env.PATH, HOME: process.env.HOME, PORT: '0' }

describe('The command token-relay', () => {
  closesWhatItOpened()

  it('prints where it listens, and two programs that reach each other as printed', async function () {
    this.timeout(60_000)
    const folder = temporaryFolder()
    onCleanUp(() => remove(folder))
    const program = spawn(process.execPath, [PROGRAM, '--dev'], { cwd: folder, env: ENVIRONMENT })
    const output = outputOf(program)
    await until(() => output().includes('relay.json'), 30_000)
    expect(output()).to.match(
      /wss:\/\/localhost:\d+\/remote, tokens:\/\/localhost:\d+ and https:\/\/localhost:\d+\/r/
    )
    const [deviceLine, clientLine] = output()
      .split('\n')
      .filter(line => line.startsWith('TOKEN=')) as [string, string]
    const device = spawn(`exec env ${deviceLine}`, { shell: '/bin/sh', cwd: PACKAGE })
    const said = outputOf(device)
    await until(() => said().includes('DEVICE='), 30_000)
    const [, id = ''] = /DEVICE=(\S+)/.exec(said()) ?? []
    const shell = { shell: '/bin/sh', cwd: PACKAGE, timeout: 30_000 }
    const { stdout } = await promisify(execFile)(clientLine.replace('…', id), shell)
    expect(stdout.trim()).to.equal('light done')
    const ended = once(program, 'exit')
    program.kill('SIGTERM')
    expect((await ended)[0]).to.equal(0)
  })

  it('does not start without a secret, and says so without a stack', async () => {
    const folder = temporaryFolder()
    onCleanUp(() => remove(folder))
    const options = { cwd: folder, env: ENVIRONMENT }
    const failed = await promisify(execFile)(process.execPath, [PROGRAM], options).catch(
      (error: { code: number; stderr: string }) => error
    )
    expect(failed).to.have.property('code', 1)
    expect(failed.stderr).to.include('JWT_SECRET')
    expect(failed.stderr).not.to.include('    at ')
  })

  it('prints its usage', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, '--help'])
    expect(stdout).to.include('--dev')
  })
})

function outputOf(program: ChildProcess): () => string {
  let text = ''
  onCleanUp(() => program.kill('SIGKILL'))
  for (const stream of [program.stdout, program.stderr])
    stream?.on('data', chunk => {
      text += String(chunk)
    })
  return () => text
}
