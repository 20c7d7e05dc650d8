import { execFileSync } from 'node:child_process'
import { constants, generateKeyPairSync, sign, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAuthority } from '@token-server/certs'
import { expect } from 'chai'
import { isSignedBy, MAX_CRL_LENGTH, readCrls } from '../lib/crl'
import { DerError, DerReader, integerToHex, oidToString } from '../lib/der'
import { TokenError } from '../lib/errors'
import { bytes } from './helpers/bytes'
import {
  type CrlDraft,
  crlDer,
  ecKey,
  extension,
  integer,
  type KeyPair,
  type Maker,
  makeCertificate,
  makeCrl,
  oid,
  pem,
  seq,
  time,
  tlv
} from './helpers/x509-maker'

const RUNS = 20_000
const RSA = '1.2.840.113549.1.1.'

describe('crl', function () {
  this.timeout(60_000)
  let ca: Maker
  let certificate: X509Certificate

  before(() => {
    ca = makeCertificate({ name: 'ca', key: ecKey(), pathLength: 0 })
    certificate = new X509Certificate(ca.cert)
  })

  it('has the serial numbers as Node writes them, the dates and the issuer', async () => {
    const authority = await createAuthority({ name: 'Zoë & Co' })
    const revoked = await Promise.all(['a', 'b', 'c'].map(name => authority.issueClient({ name })))
    const dates = { thisUpdate: new Date(1_700_000_000_000), nextUpdate: new Date(2_600_000_000_000) }
    const pem = await authority.createCrl(
      revoked.map(({ cert }) => cert),
      dates
    )
    for (const given of [pem, Buffer.from(pem), [pem], [Buffer.from(`text\n${pem}text`)]]) {
      const [crl, ...more] = readCrls(given)
      expect(more).to.deep.equal([])
      const serials = revoked.map(({ cert }) => new X509Certificate(cert).serialNumber)
      expect([...(crl?.revoked ?? [])].sort()).to.deep.equal(serials.sort())
      expect(crl?.thisUpdate).to.deep.equal(dates.thisUpdate)
      expect(crl?.nextUpdate).to.deep.equal(dates.nextUpdate)
      expect(crl && isSignedBy(crl, new X509Certificate(authority.cert))).to.equal(true)
      expect(crl && isSignedBy(crl, certificate)).to.equal(false)
    }
  })

  it('may be empty', () => {
    expect(read({ by: ca }).revoked.size).to.equal(0)
    expect(readCrls([])).to.deep.equal([])
  })

  const keys: readonly [string, () => KeyPair, string | null, string, number?][] = [
    ['ECDSA P-256, SHA-256', () => ecKey('P-256'), 'sha256', '1.2.840.10045.4.3.2'],
    ['ECDSA P-384, SHA-384', () => ecKey('P-384'), 'sha384', '1.2.840.10045.4.3.3'],
    ['ECDSA P-256, SHA-512', () => ecKey('P-256'), 'sha512', '1.2.840.10045.4.3.4'],
    ['RSA, SHA-256', rsaKey, 'sha256', `${RSA}11`],
    ['RSA, SHA-512', rsaKey, 'sha512', `${RSA}13`],
    ['RSA-PSS, SHA-256', rsaKey, 'sha256', `${RSA}10`, 32],
    ['RSA-PSS, SHA-384, short salt', rsaKey, 'sha384', `${RSA}10`, 20],
    ['Ed25519', () => generateKeyPairSync('ed25519'), null, '1.3.101.112']
  ]
  for (const [name, makeKey, hash, id, salt] of keys) {
    it(`knows its signer: ${name}`, () => {
      const key = makeKey()
      const by = makeCertificate({ name: 'ca', key, pathLength: 0 })
      const inner = algorithm(id, hash, salt)
      const der = crlDer({
        by,
        revoked: [70_001],
        algorithm: { inner, outer: inner },
        sign: tbs =>
          salt === undefined
            ? sign(hash, tbs, key.privateKey)
            : sign(hash, tbs, {
                key: key.privateKey,
                padding: constants.RSA_PKCS1_PSS_PADDING,
                saltLength: salt
              })
      })
      const signer = new X509Certificate(by.cert)
      expect(signedBy(der, signer)).to.equal(true)
      // The namesake's key is another one.
      expect(signedBy(der, certificate)).to.equal(false)
      for (const at of [der.indexOf(integer(70_001)) + 4, der.length - 1]) {
        const changed = Buffer.from(der)
        changed[at] = (changed[at] as number) ^ 1
        expect(signedBy(changed, signer), `byte ${at} changed`).to.equal(false)
      }
    })
  }

  it('is not signed by a key of another type, or a CA of another name', () => {
    const rsa = makeCertificate({ name: 'ca', key: rsaKey(), pathLength: 0 })
    const renamed = makeCertificate({ name: 'ac', key: ca.pair, pathLength: 0 })
    expect(signedBy(crlDer({ by: ca }), new X509Certificate(rsa.cert))).to.equal(false)
    expect(signedBy(crlDer({ by: ca }), new X509Certificate(renamed.cert))).to.equal(false)
  })

  it('reads what openssl ca -gencrl writes', function () {
    const made = gencrl()
    if (made === null) return this.skip()
    const [crl] = readCrls(made.crl)
    const revoked = made.revoked.map(cert => new X509Certificate(cert).serialNumber)
    expect([...(crl?.revoked ?? [])].sort()).to.deep.equal(revoked.sort())
    expect(crl && isSignedBy(crl, new X509Certificate(made.ca))).to.equal(true)
  })

  describe('refuses, for a reload to say so,', () => {
    const critical = (id: string, value: Buffer = tlv(5)) => extension(id, value, true)
    const reason = (code: number) => extension('2.5.29.21', tlv(10, Buffer.from([code])))
    const drafts: readonly [string, Omit<CrlDraft, 'by'>, RegExp][] = [
      ['a delta list', { more: [critical('2.5.29.27', integer(1))] }, /delta/],
      ['a delta list that says so in a whisper', { more: [extension('2.5.29.27', integer(1))] }, /delta/],
      ['a list of some certificates', { more: [critical('2.5.29.28', seq())] }, /only some/],
      ['an unknown critical extension', { more: [critical('1.2.3.4')] }, /critical extension 1\.2\.3\.4/],
      [
        'an extension that is there twice',
        { more: [extension('1.2.3', tlv(5)), extension('1.2.3', tlv(5))] },
        /twice/
      ],
      ['an indirect list', { revoked: [1], entryExtensions: [critical('2.5.29.29', seq())] }, /indirect/],
      ['an unknown critical entry', { revoked: [1], entryExtensions: [critical('1.2.3.4')] }, /an entry has/],
      ['a revocation taken back', { revoked: [1], entryExtensions: [reason(8)] }, /takes a revocation back/],
      [
        'SHA-1',
        { algorithm: both(seq(oid('1.2.840.10045.4.1'))), sign: () => Buffer.alloc(64) },
        /supported/
      ],
      [
        'RSA-PSS by default, which is SHA-1',
        { algorithm: both(seq(oid(`${RSA}10`), seq())), sign: () => Buffer.alloc(64) },
        /./
      ],
      [
        'two algorithms',
        {
          algorithm: { inner: seq(oid('1.3.101.112')), outer: seq(oid('1.2.840.10045.4.3.2')) },
          sign: () => Buffer.alloc(64)
        },
        /two signature algorithms/
      ]
    ]
    for (const [name, draft, message] of drafts) {
      it(name, () => refuses(makeCrl({ by: ca, ...draft }), message))
    }

    it('several lists in one text, of which Node would read the first only', () => {
      const one = makeCrl({ by: ca })
      refuses(one + one, /several/)
      expect(readCrls([one, one])).to.have.length(2)
    })

    it('what is no list', () => {
      const one = makeCrl({ by: ca })
      for (const wrong of ['', 'nonsense', ca.cert, one.replace('END', 'DNE'), Buffer.alloc(3)]) {
        refuses(wrong, /no list/)
      }
      refuses(one.replace(/\n(.)/, '\n*'), /base64/)
      refuses(one.replace(/\n..../, '\n'), /./)
      for (const wrong of [7, {}, null]) refuses(wrong as unknown as string, /neither a string nor a Buffer/)
      const der = crlDer({ by: ca })
      refuses(pem('X509 CRL', Buffer.concat([der, Buffer.alloc(1)])), /behind its end/)
      for (let end = 1; end < der.length; end++) refuses(pem('X509 CRL', der.subarray(0, end)), /./)
    })

    it('one that is too long, before it is decoded', () => {
      const length = (MAX_CRL_LENGTH / 3) * 4 + 4
      refuses(`-----BEGIN X509 CRL-----\n${'A'.repeat(length)}\n-----END X509 CRL-----`, /longer than/)
    })
  })

  it(`has an answer for ${RUNS} broken lists: a list or ERR_OPTION`, () => {
    const entryExtensions = [extension('2.5.29.21', tlv(10, Buffer.from([1])))]
    const der = crlDer({ by: ca, revoked: [1, 300, 70_000], entryExtensions })
    const random = generator(1)
    let read = 0
    for (let run = 0; run < RUNS; run++) {
      const changed = mutate(der, random)
      try {
        for (const crl of readCrls(pem('X509 CRL', changed))) {
          read++
          const isSigned = isSignedBy(crl, certificate)
          // What is outside the signed bytes and the signature is of fixed form: nothing else may pass.
          if (isSigned) expect(changed.equals(der)).to.equal(true)
        }
      } catch (error) {
        if (!(error instanceof TokenError) || error.code !== 'ERR_OPTION') throw error
      }
    }
    // Else the mutations are too coarse to get anywhere.
    expect(read).to.be.within(RUNS / 100, RUNS)
  })

  it('is read in a moment, however many it names', () => {
    const count = 50_000
    const der = crlDer({ by: ca, revoked: Array.from({ length: count }, (_, i) => 1_000_000 + i) })
    const start = performance.now()
    expect(readCrls(pem('X509 CRL', der))[0]?.revoked.size).to.equal(count)
    expect(performance.now() - start).to.be.below(2000)
  })

  function read(draft: CrlDraft) {
    const [crl] = readCrls(makeCrl(draft))
    if (crl === undefined) throw new Error('no list')
    return crl
  }
})

describe('der', () => {
  const at = (hex: string) => new DerReader(bytes(hex))

  it('takes the shortest length only', () => {
    expect(at('04 03 010203').read(4)).to.deep.equal(bytes('010203'))
    for (const hex of [
      '04 81 03 010203',
      '04 80',
      '04 82 0003 010203',
      '04 85 0000000001 00',
      '04 ff',
      '04'
    ]) {
      expect(() => at(hex).read(4), hex).to.throw(DerError)
    }
    const long = Buffer.concat([bytes('04 82 0100'), Buffer.alloc(256)])
    expect(new DerReader(long).read(4)).to.have.length(256)
    expect(() => new DerReader(long.subarray(0, 259)).read(4)).to.throw(DerError)
  })

  it('does not read past the end of what it is in', () => {
    const inner = at('30 03 04 02 01 02').enter(0x30)
    expect(() => inner.read(4)).to.throw(DerError)
    expect(() => at('30 01 00 ff').enter(0x30).read(0)).to.throw(DerError)
  })

  it('takes no BOOLEAN but TRUE', () => {
    expect(at('01 01 ff').readTrue()).to.equal(true)
    expect(at('02 01 01').readTrue()).to.equal(false)
    for (const hex of ['01 01 00', '01 01 01', '01 02 ffff', '01 00']) {
      expect(() => at(hex).readTrue(), hex).to.throw(DerError)
    }
  })

  it('writes INTEGERs as Node does, and knows 1 from -1', () => {
    const known: readonly [string, string][] = [
      ['01', '01'],
      ['00ff', 'FF'],
      ['00', '00'],
      ['7f', '7F'],
      ['ff', '-FF'],
      ['0080', '80'],
      ['80', '-80']
    ]
    for (const [hex, text] of known) expect(integerToHex(bytes(hex)), hex).to.equal(text)
    for (const hex of ['', '0001', 'ff80']) expect(() => integerToHex(bytes(hex)), hex).to.throw(DerError)
  })

  it('knows no date that does not exist, and no zone but Z', () => {
    const utc = (text: string) => new DerReader(tlv(0x17, Buffer.from(text))).readTime()
    const general = (text: string) => new DerReader(tlv(0x18, Buffer.from(text))).readTime()
    expect(utc('491231235959Z')).to.equal(Date.UTC(2049, 11, 31, 23, 59, 59))
    expect(utc('500101000000Z')).to.equal(Date.UTC(1950, 0, 1))
    expect(general('99991231235959Z')).to.equal(Date.UTC(9999, 11, 31, 23, 59, 59))
    expect(general('20240229000000Z')).to.equal(Date.UTC(2024, 1, 29))
    const wrong = ['230229000000Z', '2301010000Z', '230101000000+0100', '231301000000Z', '230101240000Z', '']
    for (const text of wrong) expect(() => utc(text), text).to.throw(DerError)
    for (const text of ['20230101000000.5Z', '20230101000000', '230101000000Z']) {
      expect(() => general(text), text).to.throw(DerError)
    }
    expect(new DerReader(time(1)).readTime()).to.be.greaterThan(Date.now())
  })

  it('writes OIDs dotted', () => {
    expect(oidToString(bytes('2a 86 48 86 f7 0d 01 01 0b'))).to.equal('1.2.840.113549.1.1.11')
    expect(oidToString(bytes('88 37 03'))).to.equal('2.999.3')
    for (const hex of ['', '80 01', '2a 86', `2a${'ff'.repeat(40)}01`]) {
      expect(() => oidToString(bytes(hex)), hex).to.throw(DerError)
    }
  })
})

function rsaKey(): KeyPair {
  return generateKeyPairSync('rsa', { modulusLength: 2048 })
}

function both(inner: Buffer): { inner: Buffer; outer: Buffer } {
  return { inner, outer: inner }
}

function algorithm(id: string, hash: string | null, salt?: number): Buffer {
  if (salt === undefined) return seq(oid(id), ...(id.startsWith(RSA) ? [tlv(5)] : []))
  const hashed = seq(oid(`2.16.840.1.101.3.4.2.${hash === 'sha256' ? 1 : 2}`), tlv(5))
  // DER leaves out the default.
  const salted = salt === 20 ? [] : [tlv(0xa2, integer(salt))]
  return seq(oid(id), seq(tlv(0xa0, hashed), tlv(0xa1, seq(oid(`${RSA}8`), hashed)), ...salted))
}

function signedBy(der: Buffer, ca: X509Certificate): boolean {
  const [crl] = readCrls(pem('X509 CRL', der))
  return crl !== undefined && isSignedBy(crl, ca)
}

function refuses(given: string | Buffer, message: RegExp): void {
  let thrown: unknown
  try {
    readCrls(given)
  } catch (error) {
    thrown = error
  }
  expect(thrown).to.be.instanceOf(TokenError)
  expect((thrown as TokenError).code).to.equal('ERR_OPTION')
  expect((thrown as TokenError).message).to.match(/^Cannot use option crl: /)
  expect((thrown as TokenError).message).to.match(message)
}

/** Numbers below 2³² that are the same in every run (xorshift). */
function generator(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

function mutate(der: Buffer, random: (below: number) => number): Buffer {
  let changed = Buffer.from(der)
  for (let count = 1 + random(3); count > 0; count--) {
    const place = random(changed.length)
    const kind = random(5)
    if (kind === 0) changed[place] = random(256)
    else if (kind === 1) changed[place] = (changed[place] as number) ^ (1 << random(8))
    else if (kind === 2) changed = changed.subarray(0, Math.max(place, 1))
    else if (kind === 3)
      changed = Buffer.concat([changed.subarray(0, place), changed.subarray(random(der.length))])
    else changed[place] = [0x00, 0x7f, 0x80, 0x84, 0xff, 0x30][random(6)] as number
  }
  return changed
}

/** Null where there is no openssl, which a CI has to have. */
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
      'rsa:2048',
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
