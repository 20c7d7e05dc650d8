import { X509Certificate } from 'node:crypto'
import { expect } from 'chai'
import fc from 'fast-check'
import { commonNameOf, parseDistinguishedName, parseSubjectAltName } from '../../lib/tls/peer-names'
import { certificates } from '../helpers/certificates'
import { HOSTILE } from '../helpers/hostile-certificate'

describe('parseSubjectAltName', () => {
  it('reads the names of an ordinary certificate', async () => {
    const { server } = await certificates()
    const names = parseSubjectAltName(new X509Certificate(server.cert).subjectAltName)
    expect(names).to.include.members(['DNS:localhost', 'IP Address:127.0.0.1', 'IP Address:0:0:0:0:0:0:0:1'])
  })

  it('gives each value as it stands in the certificate, and none that is only in a value (CVE-2021-44532)', () => {
    expect(parseSubjectAltName(new X509Certificate(HOSTILE).subjectAltName)).to.deep.equal([
      'DNS:a, DNS:admin',
      'URI:https://h/"x\\,\n',
      'IP Address:0:0:0:0:0:0:0:1',
      'DirName:O=c,CN=a\\, b',
      'othername:UPN:u@x, y',
      'Registered ID:1.2.3.4',
      'email:é@x',
      'DNS:plain'
    ])
  })

  it('has no names where there are none', () => {
    expect(parseSubjectAltName(undefined)).to.deep.equal([])
    expect(parseSubjectAltName('')).to.deep.equal([])
  })

  it('reads the other names beside a kind that Node does not know', () => {
    const names = parseSubjectAltName('X400Name:<unsupported>, DNS:alice.example')
    expect(names).to.deep.equal(['X400Name:<unsupported>', 'DNS:alice.example'])
  })

  it('takes an empty value', () => {
    expect(parseSubjectAltName('DNS:, URI:x')).to.deep.equal(['DNS:', 'URI:x'])
  })

  for (const text of [
    'DNS',
    'DNS:a,DNS:b',
    'DNS:a, ',
    'DNS:a, b',
    'DNS:a"b',
    'DNS:"a',
    'DNS:"a"b',
    'DNS:"a\\x"',
    ', DNS:a',
    '"DNS:a"'
  ]) {
    it(`gives no name at all for the malformed ${text}`, () => {
      expect(parseSubjectAltName(`DNS:admin, ${text}`)).to.deep.equal([])
    })
  }

  it('reads back whatever Node writes', () => {
    const type = fc.constantFrom('DNS', 'URI', 'email', 'IP Address', 'DirName', 'othername')
    const value = fc.oneof(fc.string({ unit: 'binary-ascii' }), fc.string({ unit: 'grapheme' }))
    fc.assert(
      fc.property(fc.array(fc.tuple(type, value)), names => {
        const text = names.map(([name, its]) => `${name}:${asNodePrints(its)}`).join(', ')
        expect(parseSubjectAltName(text)).to.deep.equal(names.map(([name, its]) => `${name}:${its}`))
      })
    )
  })
})

describe('parseDistinguishedName', () => {
  it('reads what Node itself reads, from a certificate made to deceive', () => {
    const certificate = new X509Certificate(HOSTILE)
    expect(parseDistinguishedName(certificate.subject)).to.deep.equal([
      { type: 'O', value: 'Ex\nCN=admin' },
      { type: 'OU', value: 'a, OU=b' },
      { type: 'CN', value: 'ann + CN=admin' },
      { type: 'OU', value: 'c\\' },
      { type: 'CN', value: 'é中😀' }
    ])
    const byNode: unknown = certificate.toLegacyObject().subject
    expect({ ...(byNode as object) }).to.deep.equal({
      O: 'Ex\nCN=admin',
      OU: ['a, OU=b', 'c\\'],
      CN: ['ann + CN=admin', 'é中😀']
    })
  })

  it('reads back whatever Node writes', () => {
    const type = fc.constantFrom('CN', 'O', 'OU', 'emailAddress', '1.2.3.4')
    const special = fc.string({ unit: fc.constantFrom(...' +,"\\<>;#=\n\0aA0é😀') })
    const value = fc.oneof(special, fc.string({ unit: 'grapheme' }))
    fc.assert(
      fc.property(fc.array(fc.array(fc.tuple(type, value), { minLength: 1 })), name => {
        expect(parseDistinguishedName(nameAsNodePrints(name))).to.deep.equal(
          name.flat().map(([its, text]) => ({ type: its, value: text }))
        )
      })
    )
  })
})

/** PrintAltName in Node's src/crypto: quoted when there is a quote, a backslash, a comma or a control character. */
function asNodePrints(value: string): string {
  if (!/["\\,']|[^ -~\u{80}-\u{10ffff}]/u.test(value)) return value
  const escaped = value.replace(/["\\]/g, '\\$&').replace(/,|[^ -~\u{80}-\u{10ffff}]/gu, character => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
  return `"${escaped}"`
}

/** One relative name a line, several attributes of one joined by " + ": `X509_NAME_print_ex` with Node's flags. */
function nameAsNodePrints(name: readonly (readonly (readonly [string, string])[])[]): string {
  return name.map(rdn => rdn.map(([type, value]) => `${type}=${escaped(value)}`).join(' + ')).join('\n')
}

function escaped(value: string): string {
  return value
    .replace(/[,+"\\<>;]|^[# ]| $/g, '\\$&')
    .replace(
      /[^ -~\u{80}-\u{10ffff}]/gu,
      c => `\\${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
    )
}

describe('commonNameOf', () => {
  it('gives the one common name, as it stands in the certificate', () => {
    for (const [subject, name] of [
      ['CN=ann', 'ann'],
      ['O=Example\nCN=Acme\\, Inc.\nOU=a', 'Acme, Inc.'],
      ['O=Example + CN=\\ ann\\ ', ' ann '],
      ['CN=a\\0ACN=admin', 'a\nCN=admin'],
      ['CN=ann \\+ CN=admin', 'ann + CN=admin'],
      ['CN=é中😀', 'é中😀'],
      ['CN=', '']
    ] as const) {
      expect(commonNameOf(subject), subject).to.equal(name)
    }
  })

  it('is null without one, with several, and for what is no subject', () => {
    for (const subject of [
      '',
      'O=Example',
      'CN=ann\nCN=bob',
      'CN=ann + CN=ann',
      'CN=ann\nnonsense',
      'cn=ann'
    ]) {
      expect(commonNameOf(subject), subject).to.equal(null)
    }
    expect(commonNameOf(new X509Certificate(HOSTILE).subject)).to.equal(null)
  })
})
