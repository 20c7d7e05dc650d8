import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, statSync } from 'node:fs'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { createAuthority } from '../../lib'
import { needOpenssl, openssl } from '../helpers/openssl'
import { useTemporaryFolder } from '../helpers/temporary-folder'

const program = join(__dirname, '../..', 'bin', 'token-certs.js')

describe('the program token-certs', () => {
  const folder = useTemporaryFolder()
  const call = (args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
    // The lifecycle event of whoever runs these tests would change the advice.
    const { npm_lifecycle_event: _, ...inherited } = process.env
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
      cwd: folder(),
      env: { ...inherited, ...env },
      encoding: 'utf8'
    })
    return { status, stdout, stderr }
  }
  const all = async () => (await readdir(folder(), { recursive: true })).sort()
  const set = ['ca', 'client', 'server'].flatMap(name => [
    `certs/${name}`,
    `certs/${name}/${name}.crt`,
    `certs/${name}/${name}.key`
  ])

  it('starts with a line that finds node', () => {
    expect(readFileSync(program, 'utf8')).to.match(/^#!\/usr\/bin\/env node\n/)
  })

  it('makes the whole set in certs, keys for the owner alone', async () => {
    const { status, stdout, stderr } = call([])
    expect({ status, stderr }).to.deep.equal({ status: 0, stderr: '' })
    expect(stdout).to.include('token-certs client NAME  signs')
    expect(await all()).to.deep.equal(['certs', ...set])
    const mode = (path: string) => statSync(join(folder(), path)).mode & 0o777
    for (const path of set) if (path.endsWith('.key')) expect(mode(path)).to.equal(0o600)
  })

  it('names the command that the user used', () => {
    expect(call(['--out', 'a'], { npm_lifecycle_event: 'certs' }).stdout).to.include(
      'npm run certs -- list --out a'
    )
    expect(call(['--out', 'b'], { npm_lifecycle_event: 'npx' }).stdout).to.include(
      'npx token-certs list --out b'
    )
  })

  it('overwrites nothing without --force, and all but the authority with it', async () => {
    call([])
    const paths = set.filter(path => /\.\w+$/.test(path))
    const read = () => paths.map(path => readFileSync(join(folder(), path), 'utf8'))
    const before = read()
    const refused = call([])
    expect(refused.status).to.equal(1)
    expect(refused.stderr).to.match(/^Cannot write certificates: these files already exist: [^\n]+\n$/)
    expect(read()).to.deep.equal(before)
    expect(call(['--force']).status).to.equal(0)
    for (const [i, text] of read().entries()) {
      expect(text === before[i], paths[i]).to.equal(paths[i]?.startsWith('certs/ca/'))
    }
    expect(await all()).to.deep.equal(['certs', ...set])
  })

  it('adds nothing to a folder where one of its files stands already', async () => {
    call(['--out', 'other'])
    expect(call(['client', 'ann', '--out', 'other']).status).to.equal(0)
    const before = await all()
    expect(call(['client', 'bob', 'ann', '--out', 'other']).status).to.equal(1)
    expect(await all()).to.deep.equal(before)
  })

  it('answers 2 to bad input, without a stack and without a file', async () => {
    for (const args of [['--nope'], ['client', '..'], ['--client', 'ca'], ['--days', 'x'], ['--host', '']]) {
      const { status, stdout, stderr } = call(args)
      expect({ status, stdout }).to.deep.equal({ status: 2, stdout: '' })
      expect(stderr).to.match(/^Cannot [^:\n]+: [^\n]+\n$/)
    }
    expect(await all()).to.deep.equal([])
  })

  it('run twice at once makes one set that fits together', async () => {
    const children = [0, 1].map(() => spawn(process.execPath, [program], { cwd: folder(), stdio: 'ignore' }))
    const codes = await Promise.all(children.map(async child => (await once(child, 'exit'))[0] as number))
    expect(codes.sort()).to.deep.equal([0, 1])
    expect(await all()).to.deep.equal(['certs', ...set])
    expect(call(['list']).stdout).to.not.include('WARNING')
  })

  it('lists with warnings, and still answers 0', async () => {
    call([])
    const { cert } = await (await createAuthority()).issueClient({ name: 'client', days: 3 })
    await writeFile(join(folder(), 'certs', 'client', 'client.crt'), cert)
    const { status, stdout } = call(['list'])
    expect(status).to.equal(0)
    expect(stdout).to.include('(3 days left)\n  WARNING      it expires in less than 14 days\n')
    expect(stdout).to.include('  WARNING      it was signed by another authority\n')
  })

  describe('in openssl’s strict judgement', () => {
    needOpenssl()
    it('makes files that verify', () => {
      call(['--client', 'Acme, Inc.'])
      const file = (name: string) => join(folder(), 'certs', name, `${name}.crt`)
      const strict = ['verify', '-x509_strict', '-CAfile', file('ca'), '-purpose']
      expect(openssl([...strict, 'sslserver', file('server')]).text).to.match(/: OK\n$/)
      expect(openssl([...strict, 'sslclient', file('client')]).text).to.match(/: OK\n$/)
      expect(openssl([...strict, 'sslclient', file('Acme, Inc.')]).text).to.match(/: OK\n$/)
    })
  })
})
