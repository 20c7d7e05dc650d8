import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { needProgram } from '@token-server/test-helpers'
import { expect } from 'chai'
import { findMosquitto } from '../../bench/peers/find-mosquitto'
import type { Results } from '../../bench/report'

const PROGRAM = join(__dirname, '../../bench/run.js')

interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

describe('The load test', () => {
  let folder: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'broker-bench-test-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  function run(args: string): Promise<Ran> {
    return new Promise(resolve => {
      const options = { cwd: folder, env: { ...process.env, INIT_CWD: folder } }
      execFile(process.execPath, [PROGRAM, ...args.split(' ')], options, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr })
      })
    })
  }

  for (const [what, args, deliveries] of [
    ['one subscriber for each topic, QoS 1, through TLS', '--subscriptions 50 --rate 100 --qos 1 --tls', 100],
    ['a fan-out with QoS 0', '--fan-out 10 --rate 20', 200],
    ['QoS 2', '--subscriptions 20 --rate 50 --qos 2', 50]
  ] as const) {
    it(`counts each message of a tiny run: ${what}`, async function () {
      this.timeout(120_000)
      const { stdout, stderr } = await run(
        `${args} --seconds 1 --rounds 1 --peers ours,stock --json out.json`
      )
      expect(stdout, stderr).to.match(new RegExp(`^ours: none lost of ${deliveries}; `, 'm'))
      expect(stdout).to.match(new RegExp(`^stock: none lost of ${deliveries}; `, 'm'))
      expect(stdout).to.match(/^Ours needs \d+\.\d\d × the CPU of stock/m)
      expect(stderr).not.to.include('\r')
      const { rounds, peers } = JSON.parse(readFileSync(join(folder, 'out.json'), 'utf8')) as Results
      expect(rounds.map(({ peer }) => peer)).to.deep.equal(['ours', 'stock'])
      expect(peers.map(({ name }) => name)).to.deep.equal(['ours', 'stock'])
      for (const round of rounds) {
        expect(round).to.deep.include({ received: deliveries, unordered: 0, wrong: 0 })
        expect(round.acknowledged ?? round.sent).to.equal(round.sent)
      }
    })
  }

  it('loads mosquitto beside ours', async function () {
    this.timeout(120_000)
    if (findMosquitto() === undefined) needProgram(this, 'mosquitto')
    const { stdout, stderr } = await run(
      '--subscriptions 20 --rate 50 --seconds 1 --rounds 1 --peers ours,mosquitto'
    )
    expect(stdout, stderr).to.match(/^mosquitto: none lost of 50; /m)
    expect(stdout).to.match(/^Ours needs \S+ × the CPU of mosquitto/m)
  })

  it('leaves nothing behind when it is interrupted', async function () {
    this.timeout(60_000)
    const child = spawn(process.execPath, [PROGRAM, '--subscriptions', '10', '--peers', 'ours'], {
      env: { ...process.env, TMPDIR: folder },
      stdio: ['ignore', 'ignore', 'pipe']
    })
    let said = ''
    child.stderr.on('data', chunk => {
      const isBegun = said.includes('connected in')
      said += chunk
      if (!isBegun && said.includes('connected in')) child.kill('SIGINT')
    })
    const [code] = await once(child, 'close') // when no process has its stderr any more
    expect(said).to.match(/\nStopped by SIGINT\n$/)
    expect(code).to.equal(2)
    expect(readdirSync(folder)).to.deep.equal([])
  })

  it('says what is wrong with its command line by the exit code 2', async () => {
    const { code, stderr } = await run('--rate many')
    expect(stderr).to.equal('--rate must be a whole number from 1 to 1000000, and is "many"\n')
    expect(code).to.equal(2)
  })
})
