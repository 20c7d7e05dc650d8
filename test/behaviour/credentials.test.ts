import { once } from 'node:events'
import { createAuthority } from '@token-server/certs'
import { expect } from 'chai'
import { type Credentials, TokenClient, TokenError, TokenServer } from '../../lib'
import { certificatesIn } from '../../lib/tls/pem'
import { type Certificates, certificates } from '../helpers/certificates'
import {
  clientOptions,
  closesWhatItOpened,
  connectPair,
  makeClient,
  portOf,
  serverOptions,
  startServer
} from '../helpers/loopback'
import { pfxOf } from '../helpers/pfx'

/** Forms of a file with two blocks, as they come out of real hands. */
const FORMS: Record<string, (one: string, two: string) => unknown> = {
  'one behind the other': (one, two) => one + two,
  'as a list': (one, two) => [one, two],
  'as Buffers': (one, two) => [Buffer.from(one), Buffer.from(two)],
  'joined without a newline': (one, two) => one.trimEnd() + two,
  'with CRLF': (one, two) => (one + two).replaceAll('\n', '\r\n'),
  'without a newline at the end': (one, two) => one + two.trimEnd(),
  'with a byte order mark before each': (one, two) => `\ufeff${one}\ufeff${two}`,
  'with text before BEGIN on its line': (one, two) => `first: ${one}second: ${two}`,
  'with text between': (one, two) => `Bag Attributes\n  x: 01\n${one}subject=CN = x\n${two}the end`,
  'with spaces behind each line': (one, two) => (one + two).replaceAll('\n', '  \n'),
  indented: (one, two) => (one + two).replaceAll('\n', '\n    '),
  'on one line': (one, two) => (one + two).replaceAll('\n', ' ')
}

/** What is no file of such blocks, and what its message says of it. */
const WRONG: Record<string, readonly [(one: string, two: string) => unknown, RegExp]> = {
  'an empty text': [() => '', /is empty/],
  'an empty list': [() => [], /holds no/],
  'a list with an empty text': [one => [one, ''], /is empty/],
  'a path': [() => './ca.crt', /a path\?/],
  'a number': [() => 7, /neither a string nor a Buffer/],
  'a text in UTF-16': [one => Buffer.from(`\ufeff${one}`, 'utf16le'), /UTF-16/],
  DER: [one => Buffer.from(one.split('-----')[2] as string, 'base64'), /binary/],
  'newlines as two characters': [one => one.replaceAll('\n', '\\n'), /two characters/],
  'a second one that is cut': [(one, two) => one + two.slice(0, two.length / 2), /no END/],
  'base64 with a letter too many': [one => one.replace('\n-----END', 'A\n-----END'), /base64|can not be read/]
}

describe('credentials', () => {
  closesWhatItOpened()

  let all: Certificates

  before(async () => {
    all = await certificates()
  })

  /** What the three doors say to the same options: nothing, or the message of their ERR_OPTION. */
  async function doors(options: Credentials): Promise<(string | null)[]> {
    const { server, port } = await startServer()
    const attempt = (code: string, work: () => void) => {
      try {
        work()
        return null
      } catch (error) {
        expect(error).to.be.instanceOf(TokenError).with.property('code', code)
        return (error as TokenError).message.replace(/^Cannot reload, the old certificates stay: /, '')
      }
    }
    const serverWith = await serverOptions(options)
    const clientWith = await clientOptions(port, options as object)
    return [
      attempt('ERR_OPTION', () => {
        const made = new TokenServer(serverWith)
        made.close({ timeout: 0 })
      }),
      attempt('ERR_RELOAD', () => server.reload(options)),
      attempt('ERR_OPTION', () => {
        const made = new TokenClient(clientWith)
        made.on('error', () => {})
        made.close({ timeout: 0 })
      })
    ]
  }

  for (const option of ['ca', 'crl'] as const) {
    describe(`in option ${option}`, () => {
      const blocks = async (): Promise<[string, string]> => {
        if (option === 'ca') return [all.otherCa, all.ca]
        return [await (await createAuthority({ name: 'x' })).createCrl([]), all.crl]
      }

      for (const [form, write] of Object.entries(FORMS)) {
        it(`two blocks ${form} count both, at the start, at reload() and for a client`, async () => {
          const given = write(...(await blocks())) as string
          // Of a list each element is read for itself; the client that is refused says whether the second block counts.
          const client = option === 'ca' ? all.client : all.bad.revoked
          const { server } = await startServer({ [option]: given })
          const { server: reloaded } = await startServer()
          reloaded.reload({ [option]: given })
          for (const each of [server, reloaded]) {
            if (option === 'ca') {
              await connectPair(each, client)
            } else {
              const revoked = await makeClient(portOf(each), client)
              expect((await revoked.closed).error?.closeCode).to.equal('certificate-unknown')
            }
          }
          expect(await doors({ [option]: given })).to.deep.equal([null, null, null])
          if (option === 'ca') await connectPair(server, { ca: given })
        })
      }

      for (const [title, [write, message]] of Object.entries(WRONG)) {
        it(`${title} is refused by all doors with the same words`, async () => {
          const [first, ...others] = await doors({ [option]: write(...(await blocks())) as string })
          expect(first)
            .to.match(new RegExp(`^Cannot use option ${option}: `))
            .and.to.match(message)
          expect(others).to.deep.equal([first, first])
        })
      }
    })
  }

  it('a TRUSTED CERTIFICATE in ca is refused by all doors: what it adds would be lost', async () => {
    const said = await doors({ ca: all.ca.replaceAll(' CERTIFICATE', ' TRUSTED CERTIFICATE') })
    expect(new Set(said)).to.deep.equal(new Set(['Cannot use option ca: it holds TRUSTED CERTIFICATE']))
  })

  it('a chain whose certificates are joined without a newline is shown whole', async () => {
    const { key, cert } = all.server
    const { server } = await startServer({ key, cert: cert.trimEnd() + all.otherCa })
    const { client } = await connectPair(server)
    expect(client.connection?.peer?.subject).to.equal('CN=server')
    expect(certificatesIn('cert', cert.trimEnd() + all.otherCa)).to.have.length(2)
  })

  describe('in a pfx', () => {
    it('vouch for clients at the start, at reload(), and for those who are connected then', async function () {
      const authority = await createAuthority({ name: 'in the pfx' })
      const own = pfxOf(await authority.issueServer(), 'pfx of this test', authority.cert)
      const theirs = pfxOf(await authority.issueClient({ name: 'ann' }), 'pfx of this test', authority.cert)
      if (own === null || theirs === null) return this.skip()
      const none = { key: undefined, cert: undefined, ca: undefined } as object
      const { server } = await startServer({ ...none, pfx: own, passphrase: 'pfx of this test' })
      const { client } = await connectPair(server, { ...none, pfx: theirs, passphrase: 'pfx of this test' })
      server.on('token', (token, connection) => void connection.send(token))
      server.reload({ pfx: own })
      client.send(Buffer.from('still here'))
      expect(String((await once(client, 'token'))[0])).to.equal('still here')
      await connectPair(server, { ...none, pfx: theirs, passphrase: 'pfx of this test' })
      server.reload({ ca: all.ca, pfx: own })
      client.send(Buffer.from('and now'))
      expect(String((await once(client, 'token'))[0])).to.equal('and now')
      server.reload({ ca: all.ca, pfx: undefined, ...all.server } as Credentials)
      expect((await client.closed).error?.closeCode).to.equal('certificate-unknown')
    })
  })
})
