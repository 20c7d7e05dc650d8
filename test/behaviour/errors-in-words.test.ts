import { createPrivateKey, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { createSecureContext } from 'node:tls'
import { type Authority, createAuthority } from '@token-server/certs'
import { expect } from 'chai'
import {
  type Refusal,
  TokenClient,
  type TokenClientOptions,
  type TokenError,
  TokenServer,
  type TokenServerOptions
} from '../../lib'
import { type Certificates, certificates } from '../helpers/certificates'
import { closesWhatItOpened, connectPair, makeClient, startServer } from '../helpers/loopback'
import { pfxOf } from '../helpers/pfx'
import { refusal } from '../helpers/refusal'
import { addSecretPassphrase, secretIn } from '../helpers/secrets'
import { CERT_SIGN, CLIENT_AUTH, ecKey, makeCertificate, SERVER_AUTH } from '../helpers/x509-maker'

const DAY = 86_400_000
const PAYLOAD = 'the payload of this test'
const PASSPHRASE = 'the passphrase of this test'

/** What is wrong, and the words that a person needs to find it: of each side that knows them. */
interface Case {
  readonly server?: TokenServerOptions
  readonly client?: Partial<TokenClientOptions>
  /** What the error of the client says; a refused one is told no more than a code. */
  readonly clientSays: readonly RegExp[]
  /** What `refused` of the server says. */
  readonly serverSays: readonly RegExp[]
}

/** What the server learns when its client does not trust it. */
const LEFT = [/ECONNRESET/, /had this server's certificate/, /does not trust it/]

const CLOCK = /the clock of this machine says \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/

let made: Promise<Authority> | undefined

const print = (pem: string) => new X509Certificate(pem).fingerprint256

/** What only the side that judges says. */
const DETAILS = /CN=|SHA-256|serial|\d{4}-\d\d-|option c/

describe('errors in words', () => {
  closesWhatItOpened()

  let all: Certificates

  before(async () => {
    all = await certificates()
    addSecretPassphrase(PASSPHRASE)
  })

  const cases: Record<string, (all: Certificates) => Case | Promise<Case>> = {
    'a client without ca is told to set it': ({ ca }) => ({
      client: { ca: undefined },
      clientSays: [/SELF_SIGNED_CERT_IN_CHAIN/, /option ca is not set: set it/, has(print(ca))],
      serverSays: LEFT
    }),
    'a client with the ca of another authority reads both fingerprints': ({ ca, otherCa }) => ({
      client: { ca: otherCa },
      clientSays: [
        /not in option ca/,
        /CN=authority of the tests/,
        has(print(ca)),
        /CN=another authority/,
        has(print(otherCa))
      ],
      serverSays: LEFT
    }),
    'a server of another authority, which did not send it, is told by the name of its issuer': ({
      ca,
      otherServer
    }) => ({
      server: otherServer,
      clientSays: [/its issuer CN=another authority is neither in option ca nor was it sent/, has(print(ca))],
      serverSays: LEFT
    }),
    'a server whose intermediate is missing is told by the name of its issuer': () => {
      const { root, leaf } = chainOf(SERVER_AUTH)
      return {
        server: { key: leaf.key, cert: leaf.cert },
        client: { ca: root.cert },
        clientSays: [
          /UNABLE_TO_VERIFY_LEAF_SIGNATURE/,
          /its issuer CN=My Intermediate is neither in option ca nor was it sent/,
          /CN=My Root/,
          /cert, behind its own/
        ],
        serverSays: LEFT
      }
    },
    'a client whose intermediate is missing is told by the name of its issuer': ({ ca }) => {
      const { root, leaf } = chainOf(CLIENT_AUTH)
      return {
        server: { ca: [ca, root.cert] },
        client: { key: leaf.key, cert: leaf.cert },
        clientSays: [/certificate-unknown/, /its log says why/],
        serverSays: [
          /UNABLE_TO_VERIFY_LEAF_SIGNATURE/,
          /its issuer CN=My Intermediate is neither in option ca nor was it sent/,
          /CN=My Root/
        ]
      }
    },
    'a client of another authority, which did not send it, is told by the name of its issuer': ({
      ca,
      bad
    }) => ({
      client: bad.stranger,
      clientSays: [/certificate-unknown/, /its log says why/],
      serverSays: [/its issuer CN=another authority is neither/, /CN=authority of the tests/, has(print(ca))]
    }),
    'a client of another authority, which sent it, is told by both fingerprints': ({ ca, bad, otherCa }) => ({
      client: { key: bad.stranger.key, cert: bad.stranger.cert + otherCa },
      clientSays: [/certificate-unknown/],
      serverSays: [/SELF_SIGNED_CERT_IN_CHAIN/, has(print(ca)), has(print(otherCa))]
    }),
    'a client of another authority of the same name is told that it is another one': async ({ ca }) => ({
      client: await (await createAuthority({ name: 'authority of the tests' })).issueClient({ name: 'eve' }),
      clientSays: [/certificate-unknown/],
      serverSays: [/another one of this name/, has(print(ca)), /has not signed it/]
    }),
    'a client with a certificate signed by itself is told so': () => {
      const self = makeCertificate({ name: 'myself', key: ecKey() })
      return {
        client: { key: self.key, cert: self.cert },
        clientSays: [/certificate-unknown/],
        serverSays: [/DEPTH_ZERO_SELF_SIGNED_CERT/, /it is self-signed/, has(print(self.cert))]
      }
    },
    'a client with the certificate of a server is told that it is not made for clients': ({ bad }) => ({
      client: bad.serverOnly,
      clientSays: [/certificate-unknown/],
      serverSays: [/INVALID_PURPOSE/, /not made for clients/, /extendedKeyUsage is serverAuth/]
    }),
    'a server with the certificate of a client is told that it is not made for servers': ({ client }) => ({
      server: client,
      clientSays: [/INVALID_PURPOSE/, /not made for servers/, /extendedKeyUsage is clientAuth/],
      serverSays: LEFT
    }),
    'a client signed by a certificate that is no authority is told so': ({ bad }) => ({
      client: bad.signedByALeaf,
      clientSays: [/certificate-unknown/],
      serverSays: [/CN=ann, which has signed it, is no authority/]
    }),
    'a server dialled by another name is told with the names that it has': async () => ({
      server: await (await named()).issueServer({ hosts: ['one.example', '127.0.0.2', '::7'] }),
      client: { ca: (await named()).cert },
      clientSays: [
        /ALTNAME_INVALID/,
        /made for one\.example, 127\.0\.0\.2, 0:0:0:0:0:0:0:7, and not for 127\.0\.0\.1/,
        /servername/
      ],
      serverSays: LEFT
    }),
    'a server whose certificate has ended is told with the date and the clock': ({ expiredServer }) => ({
      server: expiredServer,
      clientSays: [
        /CERT_HAS_EXPIRED/,
        /it ended at /,
        has(isoOf(new X509Certificate(expiredServer.cert).validTo)),
        CLOCK
      ],
      serverSays: LEFT
    }),
    'a server whose certificate does not hold yet is told so, and not that it has ended': async () => {
      const authority = await named()
      const notBefore = new Date(Date.now() + DAY)
      return {
        server: await authority.issueServer({ notBefore }),
        client: { ca: authority.cert },
        clientSays: [
          /CERT_NOT_YET_VALID/,
          /holds from /,
          has(isoOf(notBefore)),
          CLOCK,
          not(/ended|expired/i)
        ],
        serverSays: LEFT
      }
    },
    'a client whose certificate has ended is told with the date and the clock': ({ bad }) => ({
      client: bad.expired,
      clientSays: [/certificate-expired/, /ended, or does not hold yet/],
      serverSays: [/CERT_HAS_EXPIRED/, has(isoOf(new X509Certificate(bad.expired.cert).validTo)), CLOCK]
    }),
    'a client whose certificate does not hold yet is told so, and not that it has ended': ({ bad }) => ({
      client: bad.notYetValid,
      clientSays: [/ended, or does not hold yet/],
      serverSays: [
        /CERT_NOT_YET_VALID/,
        has(isoOf(new X509Certificate(bad.notYetValid.cert).validFrom)),
        CLOCK,
        not(/ended|expired/i)
      ]
    }),
    'a client of an authority that has ended is told with the name of the authority': async ({ ca }) => {
      const past = { notBefore: new Date(Date.now() - 2 * DAY), notAfter: new Date(Date.now() - DAY) }
      const old = await createAuthority({ name: 'old authority', ...past })
      return {
        server: { ca: [ca, old.cert] },
        client: await old.issueClient({ name: 'bob', notAfter: new Date(Date.now() + DAY) }),
        clientSays: [/certificate-expired/],
        serverSays: [
          /CERT_HAS_EXPIRED/,
          /CN=old authority, an authority above it, ended at/,
          has(isoOf(past.notAfter))
        ]
      }
    },
    'a client that is revoked is told by its serial number': ({ bad, crl }) => ({
      server: { crl },
      client: bad.revoked,
      clientSays: [/certificate-unknown/],
      serverSays: [/CERT_REVOKED/, /option crl/, has(new X509Certificate(bad.revoked.cert).serialNumber)]
    }),
    'a list of revoked certificates that is overdue is told with its date': async () => {
      const authority = await named()
      const nextUpdate = new Date(Date.now() - DAY)
      const crl = await authority.createCrl([], { thisUpdate: new Date(Date.now() - 2 * DAY), nextUpdate })
      return {
        server: { ca: authority.cert, crl },
        client: await authority.issueClient({ name: 'bob' }),
        clientSays: [/certificate-unknown/],
        serverSays: [
          /CRL_HAS_EXPIRED/,
          /list of CN=named in option crl ended at/,
          has(isoOf(nextUpdate)),
          CLOCK,
          /make a new list/
        ]
      }
    },
    'an authority without a list in crl is told by its name': async ({ ca, crl }) => {
      const authority = await named()
      return {
        server: { ca: [ca, authority.cert], crl },
        client: await authority.issueClient({ name: 'bob' }),
        clientSays: [/certificate-unknown/],
        serverSays: [/UNABLE_TO_GET_CRL/, /option crl holds no list of CN=named/]
      }
    },
    'a client without a certificate is told to set key and cert': () => ({
      client: { key: undefined, cert: undefined },
      clientSays: [/certificate-required/, /set key and cert/],
      serverSays: [/it showed none/]
    })
  }

  for (const [title, make] of Object.entries(cases)) {
    it(title, async () => {
      const { server: serverWith, client: clientWith, clientSays, serverSays } = await make(all)
      const { server, port } = await startServer(serverWith)
      const refused = once(server, 'refused')
      const client = await makeClient(port, clientWith)
      client.send(Buffer.from(PAYLOAD))
      const { error } = await client.closed
      const [told] = (await refused) as [Refusal]
      expectWords(error, clientSays)
      if (error?.code === 'ERR_REFUSED') expect(error.message).not.to.match(DETAILS)
      expectWords(told.error, serverSays)
    })
  }

  describe('a constructor refuses', () => {
    const wrong: Record<
      string,
      readonly [(all: Certificates) => object, name: string, RegExp, side?: 'client' | 'server']
    > = {
      'a path as key': [
        () => ({ key: './certs/server.key' }),
        'key',
        /no private key.*a path\?.*what the file holds/
      ],
      'garbage as key': [() => ({ key: Buffer.from('%$§ garbage') }), 'key', /no private key/],
      'a certificate as key': [
        ({ client }) => ({ key: client.cert }),
        'key',
        /no private key.*holds CERTIFICATE/
      ],
      'a key in DER': [
        ({ client }) => ({ key: derOf(client.key) }),
        'key',
        /no private key.*binary \(DER\?\)/
      ],
      'an encrypted key without a passphrase': [
        ({ client }) => ({ key: encrypted(client.key) }),
        'key',
        /encrypted.*passphrase is missing/
      ],
      'an encrypted key with another passphrase': [
        ({ client }) => ({ key: encrypted(client.key), passphrase: 'wrong' }),
        'key',
        /encrypted.*passphrase does not open it/
      ],
      'the key of another certificate': [
        ({ bad }) => ({ key: bad.stranger.key }),
        'cert',
        /no key in option key fits it/
      ],
      'a certificate without a key': [() => ({ key: undefined }), 'cert', /key is missing/],
      'a path as cert': [
        () => ({ cert: './certs/server.crt' }),
        'cert',
        /no certificate.*a path\?.*what the file holds/
      ],
      'a certificate in DER': [
        ({ client }) => ({ cert: derOf(client.cert) }),
        'cert',
        /no certificate.*binary \(DER\?\)/
      ],
      'a path as ca': [() => ({ ca: './certs/ca.crt' }), 'ca', /no certificate.*a path\?/],
      'a server without key and cert': [
        () => ({ key: undefined, cert: undefined }),
        'cert',
        /is missing.*key and cert, or pfx/,
        'server'
      ],
      'authorize: true': [() => ({ authorize: true }), 'authorize', /must be a function, got true/, 'server'],
      "authorize: 'ann'": [
        () => ({ authorize: 'ann' }),
        'authorize',
        /must be a function, got "ann"/,
        'server'
      ],
      'authorize: null': [() => ({ authorize: null }), 'authorize', /must be a function, got null/, 'server'],
      authorise: [() => ({ authorise: () => true }), 'authorise', /did you mean authorize/, 'server'],
      maxTokenLenght: [() => ({ maxTokenLenght: 5 }), 'maxTokenLenght', /did you mean maxTokenLength/],
      "ack: 'manual'": [() => ({ ack: 'manual' }), 'ack', /is not an option: use handle\(\)/],
      hots: [() => ({ hots: 'localhost' }), 'hots', /did you mean host/],
      'reconnect: { initialDelay }': [
        () => ({ reconnect: { initialDelay: 100 } }),
        'reconnect',
        /an object: put it into fullJitter\(\)/,
        'client'
      ],
      'reconnect: 5000': [
        () => ({ reconnect: 5000 }),
        'reconnect',
        /must be true, false or a policy.*got 5000/,
        'client'
      ],
      "reconnect: 'yes'": [
        () => ({ reconnect: 'yes' }),
        'reconnect',
        /must be true, false or a policy.*got "yes"/,
        'client'
      ],
      'servers as texts': [
        () => ({ servers: ['localhost:8090'] }),
        'servers[0]',
        /must be \{ host, port \} or \{ path \}, got "localhost:8090"/,
        'client'
      ],
      'no port': [() => ({ port: undefined }), 'port', /is missing/],
      'port: 99999': [() => ({ port: 99999 }), 'port', /from [01] to 65535, got 99999/],
      "port: '80x'": [() => ({ port: '80x' }), 'port', /from [01] to 65535, got "80x"/]
    }
    for (const [title, [make, name, words, onlySide]] of Object.entries(wrong)) {
      for (const side of ['client', 'server'] as const) {
        if (onlySide !== undefined && side !== onlySide) continue
        it(`${title}, for a ${side}`, () => {
          const good = { port: 1, ca: all.ca, ...all.client }
          const options = { ...good, ...make(all) }
          const error = refusal(() =>
            side === 'client' ? new TokenClient(options) : new TokenServer(options)
          )
          expect(error.code).to.equal('ERR_OPTION')
          expect(error.message).to.contain(`Cannot use option ${name}: `)
          expectWords(error, [words])
        })
      }
    }

    it('no server that has its certificate from a pfx, an SNICallback or a pskCallback', async () => {
      const none = { port: 0, ca: all.ca, signal: AbortSignal.abort() }
      const context = createSecureContext(all.server)
      const pfx = pfxOf(all.server, PASSPHRASE)
      const servers = [
        new TokenServer({ ...none, SNICallback: (_name, done) => done(null, context) }),
        new TokenServer({ ...none, requestCert: false, pskCallback: () => null }),
        ...(pfx === null ? [] : [new TokenServer({ ...none, pfx, passphrase: PASSPHRASE })])
      ]
      for (const server of servers) expect((await server.closed).hadError).to.equal(false)
    })
  })

  it('a client that reload() no longer trusts is told by both fingerprints, and reads a code', async () => {
    const { key, cert } = all.client
    const { server } = await startServer()
    const { client } = await connectPair(server, { key, cert: cert + all.ca })
    const broken = once(server, 'connectionError')
    server.reload({ ca: all.otherCa })
    const [ofServer] = (await broken) as [TokenError]
    const { error } = await client.closed
    expectWords(ofServer, [
      /CN=authority of the tests/,
      /ca holds CN=another authority/,
      has(print(all.otherCa))
    ])
    expectWords(error, [/certificate-unknown/, /its log says why/])
    expect(error?.message).not.to.match(DETAILS)
  })

  it('what authorize must not answer is told at the server, and the client is refused without it', async () => {
    const { server, port } = await startServer({ authorize: (() => 'yes, ann') as never })
    const refused = once(server, 'refused')
    const client = await makeClient(port)
    const { error } = await client.closed
    const [told] = (await refused) as [Refusal]
    expectWords(told.error, [
      /authorize must give true, false or \{ reason: string \}, and it gave a string$/
    ])
    expectWords(error, [/"not authorized"$/])
  })
})

/** A leaf below an intermediate authority below a root. */
function chainOf(usage: string) {
  const root = makeCertificate({ name: 'My Root', key: ecKey(), pathLength: 1, keyUsage: CERT_SIGN })
  const intermediate = makeCertificate({
    name: 'My Intermediate',
    key: ecKey(),
    by: root,
    pathLength: 0,
    keyUsage: CERT_SIGN
  })
  const leaf = makeCertificate({ name: 'leaf', key: ecKey(), by: intermediate, extendedKeyUsage: [usage] })
  return { root, leaf }
}

function named(): Promise<Authority> {
  made ??= createAuthority({ name: 'named' })
  return made
}

function encrypted(key: string): string {
  const how = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: PASSPHRASE } as const
  return String(createPrivateKey(key).export(how))
}

function derOf(pem: string): Buffer {
  return Buffer.from(pem.split('-----')[2] as string, 'base64')
}

function expectWords(error: TokenError | null, words: readonly RegExp[]): void {
  for (const word of words) expect(error?.message).to.match(word)
  expect(error?.message).not.to.contain('\n')
  expect(error?.message).not.to.contain(PAYLOAD)
  expect(secretIn(error)).to.equal(null)
}

function has(text: string): RegExp {
  return new RegExp(text.replace(/[.+]/g, '\\$&'))
}

function not(words: RegExp): RegExp {
  return new RegExp(`^(?!.*(?:${words.source}))`, words.flags)
}

/** As a message has a date. */
function isoOf(date: Date | string): string {
  return new Date(date).toISOString().replace(/\.\d+Z$/, 'Z')
}
