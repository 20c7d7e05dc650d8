import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAuthority } from '@token-server/certs'
import { expect } from 'chai'
import { TokenError } from '../../lib/errors/token-error'
import { seededRandom } from '../../lib/testing'
import { crlsIn } from '../../lib/tls/pem'
import { RevocationLists } from '../../lib/tls/revocation-lists'
import { ecKey, type Maker, makeCertificate, makeCrl } from '../helpers/x509-maker'

const RUNS = 5_000
const DAY = 86_400_000

describe('RevocationLists', () => {
  const now = Date.now()
  let ca: Maker

  before(() => {
    ca = makeCertificate({ name: 'ca', key: ecKey(), pathLength: 0 })
  })

  const lists = (...pems: string[]) => new RevocationLists(pems.flatMap(pem => crlsIn('crl', pem)))
  const certificate = (serial: number, by = ca) =>
    new X509Certificate(makeCertificate({ name: 'ann', key: by.pair, by, serial }).cert)

  it('find the serial numbers in what certs-scripts writes, and no other', async () => {
    const authority = await createAuthority({ name: 'Zoë & Co' })
    const issue = async (name: string) => new X509Certificate((await authority.issueClient({ name })).cert)
    const [bad, good] = [await issue('bad'), await issue('good')]
    const found = lists(await authority.createCrl([bad.toString()]))
    expect(found.failure([bad], now)).to.equal('CERT_REVOKED')
    expect(found.failure([good], now)).to.equal(null)
  })

  it('find a serial number of any length, with the high bit set or not', () => {
    const serials = [1, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff_ffff]
    for (const serial of serials) {
      const found = lists(makeCrl({ by: ca, revoked: [serial] }))
      for (const other of serials) {
        expect(found.failure([certificate(other)], now)).to.equal(other === serial ? 'CERT_REVOKED' : null)
      }
    }
  })

  it('are looked at within their dates only; where none is, the certificates of that issuer are refused', () => {
    const ann = certificate(7)
    const past = makeCrl({ by: ca, revoked: [7], days: [-9, -1] })
    const future = makeCrl({ by: ca, revoked: [7], days: [1, 9] })
    const open = makeCrl({ by: ca, days: [-1] })
    expect(lists(past).failure([ann], now)).to.equal('CRL_HAS_EXPIRED')
    expect(lists(future).failure([ann], now)).to.equal('CRL_NOT_YET_VALID')
    expect(lists(past, open, future).failure([ann], now)).to.equal(null)
    expect(lists(open).failure([ann], now + 1000 * DAY)).to.equal(null)
    expect(lists(past, open, future).failure([ann], now + 5 * DAY)).to.equal('CERT_REVOKED')
  })

  it('know a certificate by its issuer, too, and refuse one whose issuer has no list', () => {
    const other = makeCertificate({ name: 'other', key: ecKey(), pathLength: 0 })
    const found = lists(makeCrl({ by: ca, revoked: [7] }))
    expect(found.failure([certificate(7, other)], now)).to.equal('UNABLE_TO_GET_CRL')
    const both = lists(makeCrl({ by: ca, revoked: [7] }) + makeCrl({ by: other }))
    expect(both.failure([certificate(7, other)], now)).to.equal(null)
    expect(both.failure([certificate(8), new X509Certificate(ca.cert)], now)).to.equal(null)
  })

  it('find what openssl ca -gencrl writes', function () {
    const made = gencrl()
    if (made === null) return this.skip()
    const found = lists(made.crl)
    for (const pem of made.revoked) {
      expect(found.failure([new X509Certificate(pem)], Date.now())).to.equal('CERT_REVOKED')
    }
    expect(found.failure([new X509Certificate(made.ca)], Date.now())).to.equal(null)
  })

  it(`take each of ${RUNS} broken lists or refuse it with ERR_OPTION`, () => {
    const seed = Math.floor(Math.random() * 2 ** 31)
    const random = seededRandom(seed)
    const [whole = Buffer.alloc(0)] = crlsIn('crl', makeCrl({ by: ca, revoked: [70_001, 70_002] }))
    let refused = 0
    for (let run = 0; run < RUNS; run++) {
      const broken = Buffer.from(
        whole.subarray(0, random() < 0.2 ? Math.floor(random() * whole.length) : undefined)
      )
      for (let changes = 0; changes < 3 && broken.length > 0; changes++) {
        broken[Math.floor(random() * broken.length)] = Math.floor(random() * 256)
      }
      try {
        new RevocationLists([broken])
      } catch (error) {
        if (!(error instanceof TokenError)) throw new Error(`seed ${seed}, run ${run}: ${error}`)
        expect(error.code).to.equal('ERR_OPTION')
        refused++
      }
    }
    expect(refused).to.be.within(RUNS / 10, RUNS - 1)
  })

  it('are read in a moment, however many they name', () => {
    const [der = Buffer.alloc(0)] = crlsIn(
      'crl',
      makeCrl({ by: ca, revoked: Array.from({ length: 50_000 }, (_, serial) => serial + 1) })
    )
    const start = process.cpuUsage()
    const found = new RevocationLists([der])
    expect(process.cpuUsage(start).user / 1000).to.be.below(1000)
    expect(found.failure([certificate(50_000)], now)).to.equal('CERT_REVOKED')
  })
})

function gencrl(): { ca: string; crl: string; revoked: string[] } | null {
  const folder = mkdtempSync(join(tmpdir(), 'token-server-'))
  const path = (name: string) => join(folder, name)
  const openssl = (...args: string[]) =>
    execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  try {
    const config = `[ca]\ndefault_ca=d\n[d]\ndatabase=index\nserial=serial\ncrlnumber=number\nnew_certs_dir=.
default_md=sha384\npolicy=p\ndefault_days=9\ndefault_crl_days=9\ncrl_extensions=e\ncertificate=ca.crt\nprivate_key=ca.key
[p]\ncommonName=supplied\n[e]\nauthorityKeyIdentifier=keyid:always,issuer:always\n`
    writeFileSync(path('config'), config)
    for (const [name, text] of Object.entries({ index: '', serial: 'F0\n', number: '01\n' })) {
      writeFileSync(path(name), text)
    }
    const key = (name: string) => [
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      `${name}.key`,
      '-subj',
      `/CN=${name}`
    ]
    openssl('req', '-x509', ...key('ca'), '-out', 'ca.crt')
    const names = ['one', 'two', 'three']
    for (const name of names) {
      openssl('req', ...key(name), '-out', `${name}.csr`)
      openssl('ca', '-batch', '-config', 'config', '-in', `${name}.csr`, '-out', `${name}.crt`)
    }
    openssl('ca', '-config', 'config', '-revoke', 'one.crt')
    openssl('ca', '-config', 'config', '-revoke', 'three.crt', '-crl_reason', 'keyCompromise')
    openssl('ca', '-config', 'config', '-gencrl', '-out', 'list')
    const text = (name: string) => readFileSync(path(name), 'utf8')
    return { ca: text('ca.crt'), crl: text('list'), revoked: [text('one.crt'), text('three.crt')] }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || process.env.CI) throw error
    console.warn('      openssl is missing: its lists are not tested')
    return null
  } finally {
    rmSync(folder, { recursive: true })
  }
}
