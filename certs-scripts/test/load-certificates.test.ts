import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { expect } from 'chai'
import { loadCertificates, makeCerts, openAuthority, renewServer } from '../lib'
import { call, certOf, keyOf, text } from './helpers/folder'
import { expectRefused } from './helpers/refused'
import { useTemporaryFolder } from './helpers/temporary-folder'

describe('loadCertificates()', () => {
  const folder = useTemporaryFolder()

  beforeEach(() => makeCerts({ out: folder(), clients: ['ann'] }))

  /** The message names the file, and the command that makes it. */
  async function expectMissing(attempt: () => unknown, path: string, advice: string): Promise<void> {
    const { message } = await expectRefused('ERR_CERTS_MISSING', attempt, JSON.stringify(path))
    expect(message).to.include(advice)
  }

  for (const name of ['server', 'client', 'ann']) {
    it(`gives key, certificate and authority of ${name} as functions`, () => {
      const { key, cert, ca, ...others } = loadCertificates(folder(), name)
      expect([key(), cert(), ca(), others]).to.deep.equal([
        keyOf(folder(), name),
        certOf(folder(), name),
        certOf(folder(), 'ca'),
        {}
      ])
    })
  }

  it('reads each file anew at each call: a renewed one is used from then on', async () => {
    const { key, cert } = loadCertificates(folder(), 'server')
    const [oldKey, oldCert] = [key(), cert()]
    await renewServer({ out: folder(), force: true })
    expect([key(), cert()]).to.deep.equal([keyOf(folder(), 'server'), certOf(folder(), 'server')])
    expect([key() === oldKey, cert() === oldCert]).to.deep.equal([false, false])
  })

  it('gives the revocation list when the folder has one, and does not go on without it', async () => {
    const authority = await openAuthority({ key: keyOf(folder(), 'ca'), cert: certOf(folder(), 'ca') })
    const path = join(folder(), 'ca', 'ca.crl')
    await writeFile(path, await authority.createCrl([certOf(folder(), 'ann')]))
    const { crl } = loadCertificates(folder(), 'server')
    expect(crl?.()).to.equal(text(path))
    await writeFile(path, await authority.createCrl([]))
    expect(crl?.()).to.equal(text(path))
    await rm(path)
    await expectRefused('ERR_CERTS_MISSING', () => crl?.(), JSON.stringify(path))
  })

  it('reads from the folder that was meant, also when the program has gone to another one', () => {
    const home = process.cwd()
    const { cert } = loadCertificates(relative(home, folder()), 'ann')
    try {
      process.chdir('/')
      expect(cert()).to.equal(certOf(folder(), 'ann'))
    } finally {
      process.chdir(home)
    }
  })

  describe('says which file is missing, and which command makes it', () => {
    it('when nobody has made anything', async () => {
      const out = join(folder(), 'none')
      const ca = join(out, 'ca', 'ca.crt')
      await expectMissing(() => loadCertificates(out, 'server'), ca, `run: npx token-certs --out ${out}`)
      const forZoe = `run: npx token-certs --client zoe --out ${out}`
      await expectMissing(() => loadCertificates(out, 'zoe'), ca, forZoe)
    })

    it('when the authority is there, and nobody of this name', async () => {
      const key = join(folder(), 'a b', 'a b.key')
      const advice = `run: npx token-certs client 'a b' --out ${folder()}`
      await expectMissing(() => loadCertificates(folder(), 'a b'), key, advice)
    })

    it('when one file of a pair has gone: the command that is advised makes both', async () => {
      const { key: load } = loadCertificates(folder(), 'server')
      const key = join(folder(), 'server', 'server.key')
      await rm(key)
      await expectMissing(load, key, `run: npx token-certs server --force --out ${folder()}`)
      await call(folder(), 'server --force')
      expect(load()).to.equal(keyOf(folder(), 'server'))
    })

    it('when the authority signs elsewhere', async () => {
      await rm(join(folder(), 'ca', 'ca.key'))
      const key = join(folder(), 'bob', 'bob.key')
      await expectMissing(() => loadCertificates(folder(), 'bob'), key, 'from the folder that has ca.key')
    })
  })

  it('says why a file can not be read', async () => {
    const key = join(folder(), 'ann', 'ann.key')
    await rm(key)
    await mkdir(key)
    await expectRefused('ERR_CERTS_FILE', () => loadCertificates(folder(), 'ann'), 'EISDIR')
  })

  it('refuses what is no name of a client, so that the key of the authority is never given to a server', async () => {
    for (const name of ['', '../ann', 'ca']) {
      await expectRefused('ERR_CERTS_NAME', () => loadCertificates(folder(), name))
    }
  })
})
