import { createHash } from 'node:crypto'
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describeCertificate, makeCerts } from '@token-server/certs'
import { expect } from 'chai'
import { Progress } from '../../demo/progress'
import { Program, ROOT, remove, runNode, temporaryFolder } from '../helpers/program'

const START = join(ROOT, 'dist/demo/start.js')

describe('demo (npm start)', () => {
  let folder: string

  before(() => {
    folder = temporaryFolder()
  })
  after(() => remove(folder))

  it('makes certificates, sends a file there and back, and says that it is equal', async () => {
    const file = join(ROOT, 'package.json')
    const sha256 = createHash('sha256').update(readFileSync(file)).digest('hex')
    const { code, stdout, stderr } = await runNode([START, file], folder)
    expect(stderr).to.equal('')
    expect(stdout).to.include('Certificates made: certs/ca/ca.crt')
    expect(stdout).to.match(/client verified the server:\n {2}subject +CN=server\n {2}names +DNS:localhost/)
    expect(stdout).to.match(/server verified the client:\n {2}subject +CN=client\n/)
    expect(stdout).to.include('token/2 over TLSv1.3')
    expect(stdout).to.include(`${sha256} sent`)
    expect(stdout).to.include(`${sha256} returned\n             equal\n`)
    expect(stdout).to.match(/^time +[\d.]+ s there and back$/m)
    expect(stdout).to.match(/peak memory +server [\d.]+ MB, client [\d.]+ MB/)
    expect(code).to.equal(0)
  })

  it('takes the certificates that are there, and a file of several tokens', async () => {
    const file = join(folder, 'file')
    writeFileSync(file, Buffer.alloc(1_200_000, 'token'))
    const { code, stdout } = await runNode([START, 'file'], folder)
    expect(stdout).not.to.include('Certificates made')
    expect(stdout).to.match(/returned +19 tokens, 1,200,000 bytes/)
    expect(stdout).to.match(/^time +[\d.]+ s there and back: [\d,]+ tokens\/s, [\d.]+ MB\/s each way$/m)
    expect(code).to.equal(0)
  })

  it('sends an empty file', async () => {
    writeFileSync(join(folder, 'empty'), '')
    const { code, stdout } = await runNode([START, 'empty'], folder)
    expect(stdout).to.match(/returned +0 tokens, 0 bytes/)
    expect(stdout).to.match(/ returned\n +equal\n/)
    expect(code).to.equal(0)
  })

  const refusals: [string, string[], string][] = [
    ['a missing file', ['missing'], 'Cannot send missing: there is no such file\n'],
    ['a folder', ['certs'], 'Cannot send certs: it is a folder\n'],
    ['two files', ['a', 'b'], 'Cannot send 2 files: name one, npm start -- FILE\n']
  ]
  for (const [what, args, message] of refusals) {
    it(`refuses ${what} in one line`, async () => {
      const { code, stdout, stderr } = await runNode([START, ...args], folder)
      expect([code, stdout, stderr]).to.deep.equal([1, '', message])
    })
  }

  it('tells how to call it', async () => {
    const { code, stdout, stderr } = await runNode([START, '--help'], folder)
    expect([code, stderr]).to.deep.equal([0, ''])
    expect(stdout).to.match(/^Usage: npm start \[-- FILE\]\n/)
  })

  describe('with certificates that it cannot use says which command mends that, and the command', () => {
    const CERTS = join(ROOT, 'certs-scripts/dist/bin/token-certs.js')
    for (const [what, lost, advised] of [
      ['makes what is missing', 'client', /certs -- (--force) makes them/],
      ['makes an authority where there is none', 'ca', /certs -- (--new-authority) makes all/]
    ] as const) {
      it(what, async () => {
        const half = temporaryFolder()
        const out = join(half, 'certs')
        await makeCerts({ out, hosts: ['localhost', 'a.test'] })
        remove(join(out, lost))
        await expectMended(half, advised)
        const { code } = await runNode([START, 'certs/server/server.crt'], half)
        expect(code).to.equal(0)
        expect(namesIn(half)).to.deep.equal(['localhost', 'a.test'])
        remove(half)
      })
    }

    it('adds the name that it dials', async () => {
      const other = temporaryFolder()
      await makeCerts({ out: join(other, 'certs'), hosts: ['chat.example.org', '10.0.0.1'] })
      const stderr = await expectMended(other, /certs -- (.*) adds that name/)
      expect(stderr).to.include('it is made for chat.example.org, 10.0.0.1, and the demo dials localhost; ')
      expect(namesIn(other)).to.deep.equal(['localhost', 'chat.example.org', '10.0.0.1'])
      remove(other)
    })

    function namesIn(cwd: string): readonly string[] {
      return describeCertificate(readFileSync(join(cwd, 'certs/server/server.crt'), 'utf8')).names
    }

    /** Runs the demo, which refuses, and then the command that it advises. */
    async function expectMended(cwd: string, advised: RegExp): Promise<string> {
      const { code, stdout, stderr } = await runNode([START, join(ROOT, 'package.json')], cwd)
      expect([code, stdout]).to.deep.equal([1, ''])
      expect(stderr).to.match(/^Cannot use certs\/: [^\n]+\n$/)
      const [, args = 'advises nothing'] = advised.exec(stderr) ?? []
      expect((await runNode([CERTS, ...args.split(' ')], cwd)).code, args).to.equal(0)
      return stderr
    }
  })

  if (process.env.LONG) {
    it('sends 1 GiB there and back with less than 150 MB in each process', async function () {
      this.timeout(300_000)
      writeFileSync(join(folder, 'large'), '')
      truncateSync(join(folder, 'large'), 2 ** 30)
      const { code, stdout } = await runNode([START, 'large'], folder)
      const [, ...peaks] = /peak memory +server ([\d.]+) MB, client ([\d.]+) MB/.exec(stdout) ?? []
      expect(peaks).to.have.length(2)
      for (const peak of peaks) expect(Number(peak)).to.be.below(150)
      expect(code).to.equal(0)
    })
  }

  for (const [signal, exitCode] of [
    ['SIGINT', 130],
    ['SIGTERM', 143]
  ] as const) {
    it(`leaves neither program behind after ${signal}, and ends with ${exitCode}`, async () => {
      const file = join(folder, 'long')
      writeFileSync(file, Buffer.alloc(64 * 1024 * 1024))
      const program = new Program(process.execPath, [START, file], folder)
      await program.printed('server verified the client')
      program.kill(signal)
      // `ended` waits for the output, which both programs share.
      const { code, stderr } = await program.ended
      expect(stderr).to.equal('Interrupted\n')
      expect(code).to.equal(exitCode)
    })
  }
})

describe('demo/progress', () => {
  function outputOf(isTTY: boolean, use: (progress: Progress) => void, columns?: number): string {
    let written = ''
    const output = { isTTY, columns, write: (text: string) => (written += text) }
    const progress = new Progress(2_000_000, output as unknown as NodeJS.WriteStream)
    progress.begin()
    use(progress)
    progress.end()
    return written
  }

  it('draws one bar on a terminal, and leaves it on its line', () => {
    const written = outputOf(
      true,
      progress => {
        progress.update(0)
        progress.update(1_000_000)
      },
      120
    )
    expect(written.split('\r')).to.have.length(3)
    expect(written).to.match(/\[#{15}-{15}\] 50 % {2}1\.00 MB of 2\.00 MB {2}[\d.]+ MB\/s {2}ETA \d+:\d\d/)
    expect(written.endsWith('\n')).to.equal(true)
  })

  it('never fills the last column, however narrow the terminal', () => {
    for (const columns of [1, 10, 20, 40, 55, 60, 62, 70, 80, 81, 84, 90, 120, 0, undefined]) {
      const written = outputOf(true, progress => progress.update(1_234_567), columns)
      const line = written.replaceAll('\r', '').replaceAll('\x1b[K', '').trimEnd()
      expect(line.length, `${columns} columns: ${line}`).to.be.below(columns || 80)
    }
  })

  it('prints nothing elsewhere within the first second', () => {
    expect(outputOf(false, progress => progress.update(1_000_000))).to.equal('')
  })

  it('stays within the bar for a file that grows', () => {
    expect(outputOf(true, progress => progress.update(3_000_000))).to.include('100 %')
  })
})
