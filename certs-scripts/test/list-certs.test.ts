import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { createAuthority, listCerts } from '../lib'
import { listOf } from '../lib/report'
import { expectRefused } from './helpers/refused'
import { useTemporaryFolder } from './helpers/temporary-folder'

const day = 86_400_000

describe('a list of certificates', () => {
  const folder = useTemporaryFolder()
  const put = async (name: string, text: string) => {
    await mkdir(join(folder(), name), { recursive: true })
    await writeFile(join(folder(), name, `${name}.crt`), text)
  }
  const warnings = async (now?: Date) =>
    (await listCerts(folder(), now)).map(one => ('warnings' in one ? one.warnings.join('; ') : one.problem))

  it('has the authority first, then the server, then the rest by name', async () => {
    const authority = await createAuthority()
    await put('zoe', (await authority.issueClient({ name: 'zoe' })).cert)
    await put('ann', (await authority.issueClient({ name: 'ann' })).cert)
    await put('server', (await authority.issueServer()).cert)
    await put('ca', authority.cert)
    const names = (await listCerts(folder())).map(({ cert }) => cert.split(/[/\\]/).at(-2))
    expect(names).to.deep.equal(['ca', 'server', 'ann', 'zoe'])
  })

  it('warns from 14 days before the end, and of the end', async () => {
    const authority = await createAuthority()
    const notAfter = new Date(Math.floor(Date.now() / 1000) * 1000 + 100 * day)
    await put('ann', (await authority.issueClient({ name: 'ann', notAfter })).cert)
    const before = (ms: number) => new Date(notAfter.getTime() - ms)
    expect(await warnings(before(14 * day))).to.deep.equal([''])
    expect(await warnings(before(14 * day - 1))).to.deep.equal(['it expires in less than 14 days'])
    expect(await warnings(before(1))).to.deep.equal(['it expires in less than 14 days'])
    expect(await warnings(before(0))).to.deep.equal(['it has expired'])
  })

  it('says how many days there are, in words that fit', async () => {
    const authority = await createAuthority()
    const notAfter = new Date(Math.floor(Date.now() / 1000) * 1000 + 100 * day)
    await put('ann', (await authority.issueClient({ name: 'ann', notAfter })).cert)
    const listed = await listCerts(folder())
    const shown = (days: number) => listOf(listed, new Date(notAfter.getTime() - days * day))
    expect(shown(2)).to.include('(2 days left)')
    expect(shown(1)).to.include('(1 day left)')
    expect(shown(-1)).to.include('(1 day ago)')
    expect(shown(-3)).to.include('(3 days ago)')
  })

  it('warns of what is not valid yet and of what another authority signed', async () => {
    await put('ca', (await createAuthority()).cert)
    const other = await createAuthority()
    await put('ann', (await other.issueClient({ name: 'ann', notBefore: new Date(Date.now() + day) })).cert)
    expect(await warnings()).to.deep.equal(['', 'it is not valid yet; it was signed by another authority'])
  })

  it('goes on past files that are no certificates', async () => {
    const authority = await createAuthority()
    await put('ca', 'broken')
    await put('ann', (await authority.issueClient({ name: 'ann' })).cert)
    await writeFile(join(folder(), 'ann', '.ann.crt'), 'hidden')
    await writeFile(join(folder(), 'stray.crt'), 'not in a folder of its own')
    const found = await warnings()
    expect(found).to.have.lengthOf(2)
    expect(found[0]).to.match(/^Cannot read a certificate: /)
    expect(found[1]).to.equal('')
    expect(listOf(await listCerts(folder()), new Date())).to.include('WARNING      Cannot read a certificate')
  })

  it('is refused where there is no folder or nothing in it', async () => {
    await expectRefused('ERR_CERTS_MISSING', () => listCerts(join(folder(), 'none')), 'ENOENT')
    await expectRefused('ERR_CERTS_MISSING', () => listCerts(folder()), 'no certificate')
  })
})
