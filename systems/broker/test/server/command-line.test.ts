import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { until } from '../helpers/test-broker'

const PROGRAM = join(__dirname, '../../../bin/token-broker.js')

/** The environment without what would configure the broker. */
const ENVIRONMENT = { PATH: process.env.PATH, HOME: process.env.HOME, PORT: '0', HOST: 'localhost' }

describe('The command token-broker', () => {
  let folder: string
  let program: ChildProcess | undefined
  let output = ''

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'broker-command-'))
  })
  after(async () => {
    if (program !== undefined && program.exitCode === null) {
      const end = once(program, 'exit')
      program.kill('SIGTERM')
      expect((await end)[0]).to.equal(0)
    }
    rmSync(folder, { recursive: true, force: true })
  })

  it('prints where it listens, two tokens, and lines that work with the clients of mosquitto as printed', async function () {
    this.timeout(60_000)
    if (!hasMosquitto()) {
      if (process.env.CI === 'true')
        throw new Error('mosquitto_sub is missing: apt-get install mosquitto-clients')
      console.log('Skipped: mosquitto_sub is missing (apt-get install mosquitto-clients)')
      this.skip()
    }
    program = spawn(process.execPath, [PROGRAM, '--dev'], { cwd: folder, env: ENVIRONMENT })
    program.stdout?.on('data', text => {
      output += text
    })
    program.stderr?.on('data', text => {
      output += text
    })
    await until('it says how to try it', () => output.includes('mosquitto_pub '), 30_000)
    expect(output).to.match(/The broker listens on mqtts:\/\/localhost:\d+ and wss:\/\/localhost:\d+\/mqtt/)
    const line = (name: string) => output.split('\n').find(text => text.startsWith(name)) as string
    const shell = { shell: '/bin/sh', timeout: 20_000 }
    const subscriber = promisify(execFile)(`${line('mosquitto_sub')} -C 1`, shell)
    await until('it has subscribed', () => output.includes('"msg":"subscribed"'), 30_000)
    await promisify(execFile)(line('mosquitto_pub'), shell)
    expect((await subscriber).stdout.trim()).to.equal('["Ada"]')
    const [, url = '', password = ''] = /The status page: (\S+)\n.*the password is (\S+)/.exec(output) ?? []
    const login = { authorization: `Basic ${btoa(`anybody:${password}`)}` }
    expect((await fetch(url)).status).to.equal(401)
    expect(await (await fetch(url, { headers: login })).text()).to.include('<h1>Broker')
  })

  it('does not start without a secret, and says so without a stack', async function () {
    this.timeout(30_000)
    const { JWT_SECRET: _, ...env } = { ...ENVIRONMENT, JWT_SECRET: '' }
    const failed = await promisify(execFile)(process.execPath, [PROGRAM], { cwd: folder, env }).catch(
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

function hasMosquitto(): boolean {
  try {
    execFileSync('mosquitto_sub', ['--help'], { stdio: 'ignore' })
    return true
  } catch (error) {
    return (error as { code?: string }).code !== 'ENOENT'
  }
}
