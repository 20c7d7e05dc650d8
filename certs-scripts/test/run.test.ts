import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { run } from '../lib/run'
import { useTemporaryFolder } from './helpers/temporary-folder'

describe('running a command', () => {
  const folder = useTemporaryFolder()
  let printed = ''
  let complained = ''
  const call = (...args: string[]) => {
    printed = ''
    complained = ''
    return run(args, {
      self: 'token-certs',
      print: text => {
        printed += text
      },
      printError: text => {
        complained += text
      }
    })
  }

  it('makes everything, shows it, and says what comes next', async () => {
    const out = join(folder(), 'out')
    expect(await call('--out', out, '--host', 'localhost', '--host', '::1')).to.equal(0)
    expect(printed).to.match(/server\.crt +localhost, ::1 +\d{4}-\d\d-\d\d\n/)
    expect(printed).to.match(/client\.crt +CN=client +\d{4}-\d\d-\d\d\n/)
    expect(printed).to.include(`token-certs client NAME --out ${out}`)
    expect(printed).to.not.include('PRIVATE')
    expect(complained).to.equal('')
  })

  it('quotes a folder with a space in its advice', async () => {
    const out = join(folder(), 'a b')
    expect(await call('--out', out)).to.equal(0)
    expect(printed).to.include(`--out '${out}'`)
  })

  it('signs more, renews the server and lists', async () => {
    const out = ['--out', join(folder(), 'out')]
    await call(...out)
    expect(await call('client', 'ann', ...out)).to.equal(0)
    expect(printed).to.include('CN=ann')
    expect(await call('server', '--force', ...out)).to.equal(0)
    expect(await call('list', ...out)).to.equal(0)
    expect(printed).to.match(/server\.crt\n {2}subject {6}CN=server\n {2}names {8}localhost, /)
    expect(printed).to.match(/fingerprint {2}([0-9A-F]{2}:){31}[0-9A-F]{2}\n/)
    expect(printed).to.include('(365 days left)')
  })

  it('answers 0 to --help', async () => {
    expect(await call('--help')).to.equal(0)
    expect(printed).to.match(/^Usage:\n/)
  })

  it('answers 2 to what the user wrote wrongly, in one line', async () => {
    for (const args of [['--frob'], ['--days', '0'], ['--host', 'a b'], ['client', '../x']]) {
      expect(await call(...args, '--out', join(folder(), 'out'))).to.equal(2)
      expect(complained).to.match(/^Cannot [^:\n]+: [^\n]+\n$/)
      expect(printed).to.equal('')
    }
    expect(await readdir(folder())).to.deep.equal([])
  })

  it('answers 1 to what cannot be done, with a way out', async () => {
    const out = ['--out', join(folder(), 'out')]
    expect(await call('list', ...out)).to.equal(1)
    expect(complained).to.include('. To make an authority and its certificates, run: token-certs\n')
    await call(...out)
    expect(await call(...out)).to.equal(1)
    expect(complained).to.include(
      `. To renew the server, run: token-certs server --force --out ${folder()}/out; a client: token-certs client NAME`
    )
    expect(await call('server', ...out)).to.equal(1)
    expect(complained).to.include(`. To renew it, run: token-certs server --force --out ${folder()}/out\n`)
    expect(await call('client', 'client', ...out)).to.equal(1)
    expect(complained).to.include(
      `. To renew what exists, run: token-certs client client --force --out ${folder()}/out\n`
    )
    await writeFile(join(folder(), 'out', 'ca', 'ca.crt'), 'broken')
    expect(await call('client', 'ann', ...out)).to.equal(1)
    expect(complained).to.match(/^Cannot use the authority: [^\n]+\n$/)
  })

  it('answers 1 to a failure that nobody thought of, in one line as well', async () => {
    const print = () => {
      throw new Error('the screen is gone')
    }
    let error = ''
    const printError = (text: string) => {
      error += text
    }
    expect(await run(['--help'], { self: 'x', print, printError })).to.equal(1)
    expect(error).to.equal('Cannot finish: the screen is gone\n')
  })
})
