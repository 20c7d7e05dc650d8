import { createPrivateKey, X509Certificate } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import {
  addClients,
  createAuthority,
  describeCertificate,
  isSignedBy,
  makeCerts,
  openAuthority,
  renewServer
} from '../lib'
import { run } from '../lib/run'
import { killedAt } from './helpers/kill'
import { expectRefused } from './helpers/refused'
import { useTemporaryFolder } from './helpers/temporary-folder'

// On a failure fast-check prints `{ seed, path }`; SEED=… repeats that run.
const parameters = (numRuns: number) =>
  process.env.SEED === undefined ? { numRuns } : { numRuns, seed: Number(process.env.SEED) }

const text = (...path: string[]) => readFileSync(join(...path), 'utf8')
const certOf = (out: string, name: string) => text(out, name, `${name}.crt`)
const keyOf = (out: string, name: string) => text(out, name, `${name}.key`)
const namesOf = (out: string, name: string) => describeCertificate(certOf(out, name)).names
const daysOf = (cert: string) => {
  const { notBefore, notAfter } = describeCertificate(cert)
  return Math.floor((notAfter.getTime() - notBefore.getTime()) / 86_400_000)
}
const fits = (out: string, name: string) =>
  new X509Certificate(certOf(out, name)).checkPrivateKey(createPrivateKey(keyOf(out, name)))

/** Calls the program in this process; resolves with its exit code and all that it wrote. */
async function call(out: string, line: string): Promise<{ code: number; said: string }> {
  let said = ''
  const print = (more: string) => {
    said += more
  }
  const args = [...line.split(' ').filter(word => word !== ''), '--out', out]
  const code = await run(args, { self: 'token-certs', print, printError: print })
  return { code, said }
}

describe('a renewal', () => {
  const folder = useTemporaryFolder()

  it('of the server keeps names, subject, usages and number of days, and takes a new key', async () => {
    const authority = await createAuthority()
    const old = await authority.issueServer({
      name: 'Acme, Inc.',
      hosts: ['127.0.0.2', 'db.example.test', '*.example.test', '::ffff:10.0.0.1'],
      usages: ['serverAuth', 'clientAuth'],
      days: 90
    })
    await makeCerts({ out: folder() })
    await writeFile(join(folder(), 'ca', 'ca.key'), authority.key)
    await writeFile(join(folder(), 'ca', 'ca.crt'), authority.cert)
    await writeFile(join(folder(), 'server', 'server.key'), old.key)
    await writeFile(join(folder(), 'server', 'server.crt'), old.cert)

    const { code, said } = await call(folder(), 'server --force')
    expect([code, said]).to.deep.equal([0, said])
    expect(said).not.to.include('→')
    const [before, after] = [old.cert, certOf(folder(), 'server')].map(cert => new X509Certificate(cert))
    for (const part of ['subject', 'subjectAltName', 'keyUsage', 'issuer'] as const) {
      expect(after?.[part], part).to.deep.equal(before?.[part])
    }
    expect(daysOf(certOf(folder(), 'server'))).to.equal(90)
    expect(keyOf(folder(), 'server')).to.not.equal(old.key)
    expect(fits(folder(), 'server')).to.equal(true)
    expect(isSignedBy(certOf(folder(), 'server'), authority.cert)).to.equal(true)
  })

  it('with new names says which ones they replace', async () => {
    await call(folder(), '--host a.test --host 10.0.0.1')
    const { said } = await call(folder(), 'server --host b.test --force')
    expect(said).to.include(`Names of ${folder()}/server/server.crt: a.test, 10.0.0.1 → b.test\n`)
    expect(namesOf(folder(), 'server')).to.deep.equal(['b.test'])
  })

  it('of a client keeps its names, subject and number of days, unless others are asked for', async () => {
    await makeCerts({ out: folder() })
    await addClients({ out: folder(), clients: ['ann'], days: 7 })
    const { subject } = describeCertificate(certOf(folder(), 'ann'))
    await addClients({ out: folder(), clients: ['ann'], force: true })
    expect(describeCertificate(certOf(folder(), 'ann')).subject).to.equal(subject)
    expect(daysOf(certOf(folder(), 'ann'))).to.equal(7)
    await addClients({ out: folder(), clients: ['ann'], force: true, days: 8 })
    expect(daysOf(certOf(folder(), 'ann'))).to.equal(8)
  })

  it('is refused when what stands there is no certificate, as its names are not known', async () => {
    await makeCerts({ out: folder() })
    const path = join(folder(), 'server', 'server.crt')
    await writeFile(path, 'broken')
    const key = keyOf(folder(), 'server')
    const hosts = ['localhost']
    for (const options of [{}, { hosts }]) {
      await expectRefused(
        'ERR_CERTS_CERTIFICATE',
        () => renewServer({ out: folder(), force: true, ...options }),
        path
      )
    }
    expect([text(path), keyOf(folder(), 'server')]).to.deep.equal(['broken', key])
  })

  it('makes what is missing, under the authority that is there', async () => {
    await makeCerts({ out: folder() })
    const before = keyOf(folder(), 'ca')
    await rm(join(folder(), 'client'), { recursive: true })
    const { code } = await call(folder(), '--force')
    expect(code).to.equal(0)
    expect(keyOf(folder(), 'ca')).to.equal(before)
    expect(isSignedBy(certOf(folder(), 'client'), certOf(folder(), 'ca'))).to.equal(true)
  })

  for (const missing of ['ca.key', 'ca.crt', '']) {
    it(`is refused without ${missing || 'an authority'}, and makes no other one`, async () => {
      await makeCerts({ out: folder() })
      await rm(join(folder(), 'ca', missing), { recursive: true })
      const before = (await readdir(folder(), { recursive: true })).sort()
      const { code, said } = await call(folder(), '--force')
      expect(code).to.equal(1)
      expect(said).to.include('; put the authority back, or make another one by --new-authority\n')
      expect((await readdir(folder(), { recursive: true })).sort()).to.deep.equal(before)
    })
  }
})

describe('another authority (--new-authority)', () => {
  const folder = useTemporaryFolder()
  const today = () => new Date().toISOString().slice(0, 10)

  it('leaves the one that was there beside it, able to sign, and says where', async () => {
    await call(folder(), '--host a.test --days 30')
    const old = { key: keyOf(folder(), 'ca'), cert: certOf(folder(), 'ca') }
    const day = today()
    const { code, said } = await call(folder(), '--new-authority')
    expect(code).to.equal(0)
    if (today() !== day) return
    const kept = ['key', 'crt'].map(ending => join(folder(), 'ca', `ca-${day}.${ending}`))
    expect(said).to.include(`The authority that was there is kept as ${kept.join(' and ')}`)
    const again = await openAuthority({ key: text(kept[0] as string), cert: text(kept[1] as string) })
    expect({ key: again.key, cert: again.cert }).to.deep.equal(old)

    expect(keyOf(folder(), 'ca')).to.not.equal(old.key)
    expect(namesOf(folder(), 'server')).to.deep.equal(['a.test'])
    expect(daysOf(certOf(folder(), 'server'))).to.equal(30)
    expect((await call(folder(), 'list')).said).to.not.include('WARNING')
  })

  it('made again three times a day keeps all four', async () => {
    for (let i = 0; i < 4; i += 1) expect((await call(folder(), '--new-authority')).code).to.equal(0)
    const keys = (await readdir(join(folder(), 'ca'))).filter(file => file.endsWith('.key'))
    expect(new Set(keys.map(file => text(folder(), 'ca', file))).size).to.equal(4)
  })

  it('keeps a key whose certificate is missing', async () => {
    await makeCerts({ out: folder() })
    const old = keyOf(folder(), 'ca')
    await rm(join(folder(), 'ca', 'ca.crt'))
    await call(folder(), '--new-authority')
    expect(authorityKeys(folder())).to.include(old)
    expect(fits(folder(), 'ca')).to.equal(true)
  })
})

const someName = fc.constantFrom('a.test', 'b.test', '10.0.0.1', '::1')
const hosts = fc.uniqueArray(someName, { minLength: 1, maxLength: 3 })
const command = fc.oneof(
  fc.constant({ line: '--force' }),
  fc.constant({ line: '--new-authority' }),
  fc.constant({ line: '' }),
  fc.constant({ line: 'server --force' }),
  fc.constant({ line: 'client ann --force' }),
  fc.constant({ line: 'client client bob' }),
  fc.constant({ line: 'list' }),
  hosts.map(hosts => ({ line: `server --force ${flags(hosts)}`, hosts })),
  hosts.map(hosts => ({ line: `--force ${flags(hosts)}`, hosts })),
  hosts.map(hosts => ({ line: `--new-authority ${flags(hosts)}`, hosts })),
  hosts.map(hosts => ({ line: `server ${flags(hosts)}` }))
) as fc.Arbitrary<{ line: string; hosts?: string[] }>

describe('any sequence of commands', function () {
  this.timeout(60_000)
  const folder = useTemporaryFolder()

  for (const [what, killAt] of [
    ['', fc.constant(Infinity)],
    [
      ', of which some are killed between two files',
      fc.oneof(fc.integer({ min: 1, max: 14 }), fc.constant(Infinity))
    ]
  ] as const) {
    it(`loses no authority's key, and no name that the user did not replace${what}`, () =>
      fc.assert(
        fc.asyncProperty(
          hosts,
          fc.array(fc.record({ command, killAt }), { minLength: 1, maxLength: 5 }),
          async (first, steps) => {
            const out = await mkdtemp(join(folder(), 'out-'))
            await call(out, flags(first))
            const keys = new Set(authorityKeys(out))
            let possible: string[][] = [first]
            for (const step of steps) {
              const { hosts: replaced } = step.command
              const result = await killedAt(step.killAt, () => call(out, step.command.line))
              for (const key of keys) expect(authorityKeys(out), 'keys of authorities').to.include(key)
              for (const key of authorityKeys(out)) keys.add(key)

              if (replaced !== undefined) {
                if (result !== 'killed') expect(result.code, result.said).to.equal(0)
                possible = result === 'killed' ? [...possible, replaced] : [replaced]
              }
              expect(possible).to.deep.include(namesOf(out, 'server'))
            }

            const { code, said } = await call(out, '--force')
            expect(code, said).to.equal(0)
            expect(possible).to.deep.include(namesOf(out, 'server'))
            for (const name of ['ca', 'server', 'client']) expect(fits(out, name), name).to.equal(true)
            for (const name of ['server', 'client']) {
              expect(isSignedBy(certOf(out, name), certOf(out, 'ca')), name).to.equal(true)
            }
          }
        ),
        parameters(process.env.LONG ? 1000 : 6)
      ))
  }

  it('killed at any file of a renewal is mended by the next renewal of the same pair', async () => {
    const before = join(folder(), 'before')
    await call(before, '--host a.test')
    for (const [line, name] of [
      ['server --force --host b.test', 'server'],
      ['--new-authority --host b.test', 'server']
    ] as const) {
      let result: unknown = 'killed'
      for (let n = 1; result === 'killed'; n += 1) {
        const out = await mkdtemp(join(folder(), 'out-'))
        await cp(before, out, { recursive: true })
        result = await killedAt(n, () => call(out, line))
        const { code, said } = await call(out, `${name} --force`)
        expect(code, `${line}, killed at ${n}: ${said}`).to.equal(0)
        for (const pair of ['ca', name])
          expect(fits(out, pair), `${line}, killed at ${n}: ${pair}`).to.equal(true)
      }
    }
  })
})

function flags(hosts: readonly string[]): string {
  return hosts.map(host => `--host ${host}`).join(' ')
}

/** The keys in the authority's folder, whatever their file is called; what waits under a temporary name is none. */
function authorityKeys(out: string): string[] {
  const folder = join(out, 'ca')
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter(file => /^[^.].*\.key$/.test(file))
    .map(file => text(folder, file))
}
