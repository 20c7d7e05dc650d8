import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { addClients, type KeyAndCert, listCerts, makeCerts, openAuthority, renewServer } from '../lib'
import { meet } from './helpers/mutual-tls'
import { expectRefused } from './helpers/refused'
import { useTemporaryFolder } from './helpers/temporary-folder'

describe('a folder of certificates', () => {
  const folder = useTemporaryFolder()
  const pair = async (name: string): Promise<KeyAndCert> => ({
    key: await readFile(join(folder(), name, `${name}.key`), 'utf8'),
    cert: await readFile(join(folder(), name, `${name}.crt`), 'utf8')
  })
  const greet = async (client: string) =>
    meet({ server: await pair('server'), client: await pair(client), ca: (await pair('ca')).cert })
  const days = (date: Date) => Math.round((date.getTime() - Date.now()) / 86_400_000)

  it('has what mutual TLS needs', async () => {
    const made = await makeCerts({ out: folder(), clients: ['Acme, Inc.'] })
    expect(made.map(({ cert }) => cert)).to.deep.equal(
      ['ca', 'server', 'client', 'Acme, Inc.'].map(name => join(folder(), name, `${name}.crt`))
    )
    expect(await greet('client')).to.include({ ofClient: 'ok', ofServer: 'ok' })
    expect(await greet('Acme, Inc.')).to.include({ ofClient: 'ok', ofServer: 'ok' })
  })

  it('has an authority of ten years, or of as many days as asked when that is more', async () => {
    const [ca, server, client] = await makeCerts({ out: folder(), days: 7 })
    expect([ca, server, client].map(one => one && days(one.info.notAfter))).to.deep.equal([3650, 7, 7])
    const [longer] = await makeCerts({ out: folder(), days: 5000, newAuthority: true })
    expect(longer && days(longer.info.notAfter)).to.equal(5000)
  })

  it('is not begun when an option cannot be', async () => {
    const out = join(folder(), 'new')
    await expectRefused('ERR_CERTS_HOST', () => makeCerts({ out, hosts: ['a b'] }))
    await expectRefused('ERR_CERTS_NAME', () => makeCerts({ out, clients: ['client'] }))
    await expectRefused('ERR_CERTS_VALIDITY', () => makeCerts({ out, days: 0 }))
    expect(existsSync(out)).to.equal(false)
  })

  it('takes more clients, all of them or none', async () => {
    await makeCerts({ out: folder() })
    await addClients({ out: folder(), clients: ['ann', 'bob'] })
    expect(await greet('bob')).to.include({ ofClient: 'ok', ofServer: 'ok' })
    await expectRefused('ERR_CERTS_EXISTS', () => addClients({ out: folder(), clients: ['carl', 'ann'] }))
    expect(await readdir(folder())).to.not.include('carl')
  })

  it('takes a new server under the old authority, for new names', async () => {
    await makeCerts({ out: folder() })
    await expectRefused('ERR_CERTS_EXISTS', () => renewServer({ out: folder() }))
    const before = await pair('server')
    const [renewed] = await renewServer({
      out: folder(),
      hosts: ['localhost', 'new.example'],
      days: 3,
      force: true
    })
    expect(renewed?.info.names).to.deep.equal(['localhost', 'new.example'])
    expect((await pair('server')).key).to.not.equal(before.key)
    expect(await greet('client')).to.include({ ofClient: 'ok', ofServer: 'ok' })
  })

  it('signs nothing without its authority, and writes nothing then', async () => {
    await expectRefused('ERR_CERTS_MISSING', () => addClients({ out: folder(), clients: ['ann'] }), 'ca.key')
    await expectRefused('ERR_CERTS_MISSING', () => renewServer({ out: folder() }), 'ca.key')
    expect(await readdir(folder())).to.deep.equal([])
  })

  it('keeps an authority that code can take up', async () => {
    await makeCerts({ out: folder() })
    const authority = await openAuthority(await pair('ca'))
    expect(await authority.createCrl([(await pair('client')).cert])).to.include('X509 CRL')
  })

  it('made anew shows which clients the new authority does not know', async () => {
    await makeCerts({ out: folder(), clients: ['ann'] })
    await makeCerts({ out: folder(), newAuthority: true })
    const listed = await listCerts(folder())
    const foreign = listed.filter(one => 'warnings' in one && one.warnings.length > 0)
    expect(foreign.map(({ cert }) => cert)).to.deep.equal([join(folder(), 'ann', 'ann.crt')])
  })
})
