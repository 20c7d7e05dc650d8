import { X509Certificate } from 'node:crypto'
import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import { expect } from 'chai'
import { createAuthority } from '../lib'
import { defaultHosts, resolveHosts } from '../lib/hosts'
import { meet } from './helpers/mutual-tls'
import { expectRefused } from './helpers/refused'

const values = (...hosts: string[]) => resolveHosts(hosts).map(({ type, value }) => `${type} ${value}`)

describe('the hosts of a server', () => {
  it('are by default this machine’s names for itself', () => {
    expect(defaultHosts('Build-7.lan')).to.deep.equal(['localhost', '127.0.0.1', '::1', 'build-7.lan'])
  })

  it('leave a machine name out that is no DNS name or is there already', () => {
    expect(defaultHosts("Ann's computer")).to.deep.equal(['localhost', '127.0.0.1', '::1'])
    expect(defaultHosts('localhost')).to.deep.equal(['localhost', '127.0.0.1', '::1'])
  })

  it('are told apart as names and addresses, in lower case, each once', () => {
    expect(values('Example.com', '10.0.0.1', 'example.COM', '2001:DB8::0:1', 'my_service')).to.deep.equal([
      'dns example.com',
      'ip 10.0.0.1',
      'ip 2001:db8::1',
      'dns my_service'
    ])
  })

  it('may be a wildcard, and names in other scripts become ASCII', () => {
    expect(values('*.Example.com', 'bücher.example')).to.deep.equal([
      'dns *.example.com',
      'dns xn--bcher-kva.example'
    ])
  })

  for (const host of [
    '',
    ' ',
    'a b',
    'a..b',
    '-a',
    'a-',
    'a.',
    '*',
    '*.',
    'a.*.b',
    'host:443',
    '[::1]',
    'http://a'
  ]) {
    it(`cannot be ${JSON.stringify(host)}`, () =>
      expectRefused('ERR_CERTS_HOST', () => resolveHosts([host]), JSON.stringify(host)))
  }

  it('cannot be a mistyped address, which would pass for a name', () =>
    expectRefused('ERR_CERTS_HOST', () => resolveHosts(['127.0.0.256'])))

  it('cannot be an address with a zone', () =>
    expectRefused('ERR_CERTS_HOST', () => resolveHosts(['fe80::1%eth0']), 'zone'))

  it('cannot be too long', async () => {
    await expectRefused('ERR_CERTS_HOST', () => resolveHosts([`${'a'.repeat(64)}.example`]))
    await expectRefused('ERR_CERTS_HOST', () => resolveHosts([`${'a.'.repeat(127)}com`]))
  })

  it('keep all their bytes where an IPv4 address stands inside of an IPv6 one', async () => {
    const authority = await createAuthority()
    const { cert } = await authority.issueServer({ hosts: ['::ffff:10.1.2.3'] })
    expect(new X509Certificate(cert).subjectAltName).to.equal('IP Address:0:0:0:0:0:FFFF:A01:203')
  })

  for (const host of ['localhost', '127.0.0.1', '::1']) {
    it(`make mutual TLS 1.3 work by ${host}`, async function () {
      const authority = await createAuthority()
      const server = await authority.issueServer()
      if (host === '::1' && nodeForgetsIPv6()) {
        // nodejs/node#64144: the certificate is right, tls.checkServerIdentity is not (22.23.0 to 22.23.3 at least).
        expect(new X509Certificate(server.cert).checkIP(host)).to.equal(host)
        console.log(
          `      skipped: tls.checkServerIdentity of Node ${process.version} knows no IPv6 addresses`
        )
        return this.skip()
      }
      const client = await authority.issueClient({ name: 'ann' })
      const outcome = await meet({ server, client, ca: authority.cert, host })
      expect(outcome).to.deep.equal({ ofClient: 'ok', ofServer: 'ok', protocol: 'TLSv1.3', read: 'hello' })
    })
  }

  it('make the client refuse a server by any other name', async () => {
    const authority = await createAuthority()
    const server = await authority.issueServer({ hosts: ['*.example.com'] })
    const client = await authority.issueClient({ name: 'ann' })
    const by = async (host: string) => (await meet({ server, client, ca: authority.cert, host })).ofServer
    expect(await by('a.example.com')).to.equal('ok')
    expect(await by('example.com')).to.equal('ERR_TLS_CERT_ALTNAME_INVALID')
    expect(await by('127.0.0.1')).to.equal('ERR_TLS_CERT_ALTNAME_INVALID')
  })
})

function nodeForgetsIPv6(): boolean {
  const cert = { subject: {}, subjectaltname: 'IP Address:0:0:0:0:0:0:0:1' } as PeerCertificate
  return checkServerIdentity('::1', cert) !== undefined
}
