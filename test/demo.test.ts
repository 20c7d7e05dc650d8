import { createHash } from 'node:crypto'
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { Progress } from '../demo/progress'
import { Program, ROOT, remove, runNode, temporaryFolder } from './helpers/program'

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
    expect(stdout).to.include(`${sha256} returned: equal`)
    expect(stdout).to.match(/peak memory +server [\d.]+ MB, client [\d.]+ MB/)
    expect(code).to.equal(0)
  })

  it('takes the certificates that are there, and a file of several tokens', async () => {
    const file = join(folder, 'file')
    writeFileSync(file, Buffer.alloc(200_000, 'token'))
    const { code, stdout } = await runNode([START, 'file'], folder)
    expect(stdout).not.to.include('Certificates made')
    expect(stdout).to.match(/returned +4 tokens, 200,000 bytes/)
    expect(code).to.equal(0)
  })

  it('sends an empty file', async () => {
    writeFileSync(join(folder, 'empty'), '')
    const { code, stdout } = await runNode([START, 'empty'], folder)
    expect(stdout).to.match(/returned +0 tokens, 0 bytes/)
    expect(stdout).to.include('returned: equal')
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

  it('refuses certificates of which one is missing, and says how to make them', async () => {
    const half = temporaryFolder()
    const file = join(ROOT, 'package.json')
    await runNode([START, file], half)
    remove(join(half, 'certs/client'))
    const { code, stderr } = await runNode([START, file], half)
    remove(half)
    expect(stderr).to.match(
      /^Cannot use certs\/: certs\/client\/client\.key, .* --force makes all of them anew\n$/
    )
    expect(code).to.equal(1)
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

  it('leaves neither program behind after Ctrl-C', async () => {
    const file = join(folder, 'long')
    writeFileSync(file, Buffer.alloc(64 * 1024 * 1024))
    const program = new Program(process.execPath, [START, file], folder)
    await program.printed('server verified the client')
    program.kill('SIGINT')
    // `ended` waits for the output, which both programs share.
    const { code, stderr } = await program.ended
    expect(stderr).to.equal('Interrupted\n')
    expect(code).to.equal(1)
  })
})

describe('demo/progress', () => {
  function outputOf(isTTY: boolean, use: (progress: Progress) => void): string {
    let written = ''
    const output = { isTTY, write: (text: string) => (written += text) }
    const progress = new Progress(2_000_000, output as unknown as NodeJS.WriteStream)
    progress.begin()
    use(progress)
    progress.end()
    return written
  }

  it('draws one bar on a terminal, and leaves it on its line', () => {
    const written = outputOf(true, progress => {
      progress.update(0)
      progress.update(1_000_000)
    })
    expect(written.split('\r')).to.have.length(3)
    expect(written).to.match(/\[#{15}-{15}\] 50 % {2}1\.00 MB of 2\.00 MB {2}[\d.]+ MB\/s {2}ETA \d+:\d\d/)
    expect(written.endsWith('\n')).to.equal(true)
  })

  it('prints nothing elsewhere within the first second', () => {
    expect(outputOf(false, progress => progress.update(1_000_000))).to.equal('')
  })

  it('stays within the bar for a file that grows', () => {
    expect(outputOf(true, progress => progress.update(3_000_000))).to.include('100 %')
  })
})
