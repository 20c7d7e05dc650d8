import { expect } from 'chai'
import { parseCommandLine } from '../lib/command-line'
import { expectRefused } from './helpers/refused'

const parse = (line: string) => parseCommandLine(line.split(' ').filter(word => word !== ''))

describe('the command line', () => {
  it('without a word makes everything in certs', () => {
    expect(parse('')).to.deep.equal({ kind: 'make', options: { out: 'certs', force: false } })
  })

  it('takes every option', () => {
    expect(parse('--out o --days 7 --host a --host ::1 --client ann --client bob --force')).to.deep.equal({
      kind: 'make',
      options: { out: 'o', days: 7, hosts: ['a', '::1'], clients: ['ann', 'bob'], force: true }
    })
  })

  it('asks for another authority by an option of its own', () => {
    expect(parse('--new-authority')).to.deep.equal({
      kind: 'make',
      options: { out: 'certs', force: false, newAuthority: true }
    })
  })

  it('has commands for clients, the server and the list', () => {
    const common = { out: 'certs', force: false }
    expect(parse('client ann bob')).to.deep.equal({
      kind: 'client',
      options: { ...common, clients: ['ann', 'bob'] }
    })
    expect(parse('client -- -x')).to.deep.equal({ kind: 'client', options: { ...common, clients: ['-x'] } })
    expect(parse('server --host a')).to.deep.equal({ kind: 'server', options: { ...common, hosts: ['a'] } })
    expect(parse('list --out o')).to.deep.equal({ kind: 'list', out: 'o' })
  })

  it('gives help wherever it is asked for', () => {
    for (const line of ['--help', '-h', 'client --help', 'frob --help']) {
      expect(parse(line)).to.deep.equal({ kind: 'help' })
    }
  })

  for (const [line, part] of [
    ['frob', '"frob"'],
    ['make', '"make"'],
    ['constructor', '"constructor"'],
    ['__proto__', '"__proto__"'],
    ['--frob', "Unknown option '--frob'"],
    ['--out', "'--out <value>' argument missing"],
    ['--out=', '--out is empty'],
    ['--force=yes', '--force'],
    ['client', 'needs a name'],
    ['server ann', 'takes no name ("ann")'],
    ['list ann', 'takes no name ("ann")'],
    ['client ann --host a', '(--host)'],
    ['client ann --client bob', '(--client)'],
    ['list --days 3', '(--days)'],
    ['list --force', '(--force)'],
    ['server --new-authority', '(--new-authority)'],
    ['client ann --new-authority', '(--new-authority)']
  ] as const) {
    it(`refuses ${line}`, () => expectRefused('ERR_CERTS_ARGUMENT', () => parse(line), part))
  }

  for (const days of ['', 'x', '1.5', '-1', '1e3', '0x10', '9999999999']) {
    it(`refuses ${JSON.stringify(days)} days`, () =>
      expectRefused('ERR_CERTS_VALIDITY', () => parseCommandLine([`--days=${days}`]), '--days'))
  }
})
