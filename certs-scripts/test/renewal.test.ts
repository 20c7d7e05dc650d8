import { X509Certificate } from 'node:crypto'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import {
  addClients,
  createAuthority,
  describeCertificate,
  isSignedBy,
  makeCerts,
  openAuthority,
  renewServer
} from '../lib'
import { authorityKeys, call, certOf, fits, keyOf, namesOf, text } from './helpers/folder'
import { expectRefused } from './helpers/refused'
import { useTemporaryFolder } from './helpers/temporary-folder'

const daysOf = (cert: string) => {
  const { notBefore, notAfter } = describeCertificate(cert)
  return Math.floor((notAfter.getTime() - notBefore.getTime()) / 86_400_000)
}

describe('a renewal', () => {
  const folder = useTemporaryFolder()

  it('a renewal of the server keeps names, subject, usages and number of days, and takes a new key', async () => {
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

  it('a renewal with new names says which ones they replace', async () => {
    await call(folder(), '--host a.test --host 10.0.0.1')
    const { said } = await call(folder(), 'server --host b.test --force')
    expect(said).to.include(`Names of ${folder()}/server/server.crt: a.test, 10.0.0.1 → b.test\n`)
    expect(namesOf(folder(), 'server')).to.deep.equal(['b.test'])
  })

  it('a renewal of a client keeps its names, subject and number of days, unless others are asked for', async () => {
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
      expect(said).to.include('. Put the authority back, or make another one with --new-authority\n')
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
