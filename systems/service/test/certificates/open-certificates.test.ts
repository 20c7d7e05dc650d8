import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createAuthority, loadCertificates } from '@token-server/certs'
import { closesWhatItOpened } from '@token-server/test-helpers'
import { expect } from 'chai'
import { openCertificates, ServiceError } from '../../lib'
import { certificateFolder, folder } from '../helpers/services'

describe('openCertificates', () => {
  closesWhatItOpened()

  async function failureOf(options: Parameters<typeof openCertificates>[0]): Promise<ServiceError> {
    const failure = await openCertificates(options).catch(error => error as Error)
    expect(failure).to.be.instanceOf(ServiceError).and.have.property('code', 'ERR_CERTIFICATES')
    return failure as ServiceError
  }

  it('makes them where there are none, for the hosts that it is told', async () => {
    const made = folder()
    const opened = await openCertificates({ folder: made, hosts: ['a.example'] })
    expect(opened.madeIn).to.equal(made)
    expect(opened.files).to.deep.equal(
      ['server/server.key', 'server/server.crt', 'ca/ca.crt', 'ca/ca.crl'].map(name => join(made, name))
    )
    const { key, cert, ca } = loadCertificates(made, 'server')
    expect([opened.key(), opened.cert(), opened.ca()]).to.deep.equal([key(), cert(), ca()])
    for (const name of ['server/server.key', 'client/client.key', 'ca/ca.key'])
      expect(statSync(join(made, name)).mode & 0o777, name).to.equal(0o600)
    expect(opened.notices).to.deep.equal([])
  })

  it('has two processes that start at once take the same', async () => {
    const made = folder()
    const all = await Promise.all([1, 2, 3].map(() => openCertificates({ folder: made })))
    expect(new Set(all.map(({ cert }) => cert())).size).to.equal(1)
    expect(all.filter(({ madeIn }) => madeIn !== null)).to.have.length(1)
  })

  it('trusts only its own authority with clients where the certificate comes from elsewhere', async () => {
    const { key, cert } = await (await createAuthority()).issueServer()
    const elsewhere = folder()
    writeFileSync(join(elsewhere, 'a.key'), key, { mode: 0o600 })
    writeFileSync(join(elsewhere, 'a.crt'), cert)
    const own = await certificateFolder()
    const opened = await openCertificates({
      key: join(elsewhere, 'a.key'),
      cert: join(elsewhere, 'a.crt'),
      folder: own
    })
    expect([opened.key(), opened.cert()]).to.deep.equal([key, cert])
    expect(opened.ca()).to.equal(readFileSync(join(own, 'ca/ca.crt'), 'utf8'))
  })

  it('makes nothing where all files are given', async () => {
    const own = await certificateFolder()
    const unused = join(folder(), 'unused')
    const [key, cert, ca] = ['server/server.key', 'server/server.crt', 'ca/ca.crt'].map(name =>
      join(own, name)
    )
    await openCertificates({ key, cert, ca, folder: unused })
    expect(() => statSync(unused)).to.throw('ENOENT')
  })

  it('reads the list of revoked certificates as soon as there is one', async () => {
    const made = folder()
    const opened = await openCertificates({ folder: made })
    expect(opened.crl).to.equal(undefined)
    writeFileSync(join(made, 'ca/ca.crl'), 'a list')
    expect(opened.crl?.()).to.equal('a list')
    expect((await openCertificates({ folder: made })).crl?.()).to.equal('a list')
  })

  it('says that others may read the key', async () => {
    const own = await certificateFolder()
    const key = join(folder(), 'a.key')
    copyFileSync(join(own, 'server/server.key'), key)
    chmodSync(key, 0o644)
    const { notices } = await openCertificates({ key, cert: join(own, 'server/server.crt'), folder: own })
    expect(notices).to.deep.equal([
      `Others on this machine may read the key ${key}: its mode is 644, it should be 600`
    ])
  })

  it('refuses half a pair, a file that is missing, and a folder that it can not use', async () => {
    expect((await failureOf({ key: 'a' })).message).to.equal(
      'Cannot open the certificates: key and cert are needed, or neither'
    )
    const own = await certificateFolder()
    const { message } = await failureOf({ key: '/missing.key', cert: '/missing.crt', folder: own })
    expect(message).to.equal('Cannot read the certificate file /missing.key: ENOENT')
    const file = join(folder(), 'file')
    writeFileSync(file, '')
    expect((await failureOf({ folder: file })).message).to.match(/^Cannot make certificates in .*file: /)
    const half = folder()
    mkdirSync(join(half, 'ca'))
    copyFileSync(join(own, 'ca/ca.crt'), join(half, 'ca/ca.crt'))
    expect((await failureOf({ folder: half })).message).to.match(/server\.key: ENOENT$/)
    rmSync(half, { recursive: true })
  })
})
