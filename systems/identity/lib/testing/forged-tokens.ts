import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { JwtErrorCode } from '../jwt-error'
import { base64url, es256, handMadeToken, hs256, ps256, rs256, unsigned } from './hand-made-token'

/** A token that a server must refuse. */
export interface ForgedToken {
  /** In words, to go on after "a token": `of the algorithm none, …`. */
  readonly what: string
  readonly token: string
  /** What `verify` refuses it with. */
  readonly code: JwtErrorCode
}

export interface ForgedForSecretOptions {
  /** The server's. */
  secret: string | Uint8Array
  /** Of a good token: `user_id`, and `aud` and `iss` if the server demands them. They must be texts. */
  claims: Readonly<Record<string, unknown>>
  /** The server's time, milliseconds since 1970. Default: now. */
  now?: number | undefined
}

const JWT = { typ: 'JWT' }
const HS = { alg: 'HS256', ...JWT }
const RS = { alg: 'RS256', ...JWT }

/** Tokens to show to a server that knows a secret and no public key (RFC 8725). */
export function forgedForSecret({ secret, claims, now = Date.now() }: ForgedForSecretOptions): ForgedToken[] {
  const seconds = Math.floor(now / 1000)
  const right = { ...claims, iat: seconds, exp: seconds + 3600 }
  const signer = hs256(secret)
  const good = (changes: object = {}, header: object = {}): string =>
    handMadeToken({ ...HS, ...header }, { ...right, ...changes }, signer)
  /** With claims as a text, which begins with the right ones. */
  const withText = (text: (json: string) => string | Buffer): string =>
    handMadeToken(HS, text(JSON.stringify(right)), signer)

  const list: ForgedToken[] = []
  const add = (code: JwtErrorCode, what: string, token: string): void => void list.push({ what, token, code })

  for (const alg of ['none', 'None', 'NONE', 'nOnE', '']) {
    const token = handMadeToken({ alg, ...JWT }, right, unsigned)
    add('ERR_JWT_ALGORITHM', `without a signature, of the algorithm "${alg}"`, token)
  }
  for (const alg of ['none', undefined, ['HS256'], 'HS512', 'hs256', 'RS256']) {
    add('ERR_JWT_ALGORITHM', `of the algorithm ${JSON.stringify(alg)}, well signed`, good({}, { alg }))
  }

  const [head = '', body = '', signature = ''] = good().split('.')
  const cut = base64url(Buffer.from(signature, 'base64url').subarray(0, 31))
  const other = base64url({ ...right, user_id: 'somebody else' })
  add('ERR_JWT_SIGNATURE', 'whose signature is taken away', `${head}.${body}.`)
  add('ERR_JWT_SIGNATURE', 'whose signature is cut', `${head}.${body}.${cut}`)
  add('ERR_JWT_SIGNATURE', 'whose payload is exchanged', `${head}.${other}.${signature}`)
  add(
    'ERR_JWT_SIGNATURE',
    'whose header is exchanged',
    `${base64url({ ...HS, kid: 'x' })}.${body}.${signature}`
  )
  for (const [what, wrong, kid] of [
    ['signed with another secret', 'another secret, as long as ours may be', undefined],
    ['signed with an empty secret, whose kid names an empty file', '', '../../../../dev/null'],
    ['whose kid is a query that gives the signing secret', 'mine', "x' UNION SELECT 'mine' -- "]
  ] as const) {
    add('ERR_JWT_SIGNATURE', what, handMadeToken({ ...HS, kid }, right, hs256(wrong)))
  }

  for (const [what, header] of [
    ['whose kid is no text', { kid: 7 }],
    ['whose kid is endless', { kid: 'k'.repeat(257) }],
    ['with crit', { crit: ['b64'], b64: true }],
    ['with an empty crit', { crit: [] }],
    ['with b64 and no crit', { b64: false }],
    ['with zip', { zip: 'DEF' }],
    ['with a key of its own', { jwk: { kty: 'oct', k: 'AAAA' } }],
    ['with the address of its key', { jku: 'https://evil.example/jwks.json' }],
    ['with the address of its certificate', { x5u: 'https://evil.example/cert.pem' }]
  ] as const) {
    add('ERR_JWT_HEADER', `${what}, well signed`, good({}, header))
  }
  for (const typ of ['at+JWT2', 'dpop+jwt', 'logout+jwt', 'JOSE', 'secevent+jwt', 'JWT ', '', 1, null]) {
    add('ERR_JWT_TYPE', `whose typ is ${JSON.stringify(typ)}`, good({}, { typ }))
  }

  if (claims.aud !== undefined) {
    for (const aud of [
      undefined,
      null,
      `not ${claims.aud}`,
      [[claims.aud], 'x'],
      { [String(claims.aud)]: 1 }
    ]) {
      add('ERR_JWT_AUDIENCE', `for the audience ${JSON.stringify(aud)}`, good({ aud }))
    }
  }
  if (claims.iss !== undefined) {
    for (const iss of [undefined, null, `${claims.iss}.evil.example`, [claims.iss]]) {
      add('ERR_JWT_ISSUER', `of the issuer ${JSON.stringify(iss)}`, good({ iss }))
    }
  }

  add('ERR_JWT_EXPIRED', 'that ended five seconds ago', good({ exp: seconds - 5 }))
  add('ERR_JWT_EXPIRED', 'that ended in 1970, by milliseconds', good({ exp: String(seconds) }))
  const ends = [
    ...[undefined, null, true, '', ' 9999999999999', '9999999999999.5', '1e13', '-1', '٩٩٩٩٩٩٩٩٩٩٩٩٩'],
    ...['tomorrow', [seconds + 60], { $gt: 0 }, 0, -1, (seconds + 3600) * 1000]
  ]
  for (const exp of ends) add('ERR_JWT_EXPIRY', `whose exp is ${JSON.stringify(exp)}`, good({ exp }))
  add(
    'ERR_JWT_EXPIRY',
    'whose exp is beyond all numbers',
    withText(json => json.replace(String(right.exp), '1e999'))
  )
  add('ERR_JWT_NOT_YET', 'that begins in the future', good({ nbf: seconds + 60 }))
  add('ERR_JWT_NOT_YET', 'that was made in the future', good({ iat: seconds + 60 }))
  add('ERR_JWT_CLAIM', 'whose nbf is a text', good({ nbf: '0' }))
  add('ERR_JWT_CLAIM', 'whose iat is below 0', good({ iat: -1 }))

  const nobody = { user_id: undefined, userUUID: undefined, sub: undefined, handler: undefined }
  add('ERR_JWT_ID', 'of nobody', good(nobody))
  for (const id of ['', 68.5, -1, 2 ** 53, true, [], {}, 'a\nb', 'a\0b', '\ud800', 'i'.repeat(257)]) {
    const shown = JSON.stringify(id).slice(0, 20)
    add('ERR_JWT_ID', `whose user_id is ${shown}`, good({ ...nobody, user_id: id }))
  }

  const twice = (name: string) => withText(json => `{${name}:"1",${name}:"2",${json.slice(1)}`)
  add('ERR_JWT_DUPLICATE', 'with a claim that is there twice', twice('"jti"'))
  add(
    'ERR_JWT_DUPLICATE',
    'with a claim that is there twice, once in escapes',
    withText(json => `{"jti":"1","\\u006ati":"2",${json.slice(1)}`)
  )
  add(
    'ERR_JWT_DUPLICATE',
    'with a claim that is there twice, within another one',
    withText(json => `{"x":{"name":"a","name":"b"},${json.slice(1)}`)
  )
  add(
    'ERR_JWT_DUPLICATE',
    'whose algorithm is there twice',
    handMadeToken('{"alg":"none","alg":"HS256"}', right, signer)
  )

  for (const [what, token] of [
    ['that is empty', ''],
    ['that is two dots', '..'],
    ['that is no token', 'shhhhh'],
    ['of two parts', `${head}.${body}`],
    ['that is encrypted', 'a.b.c.d.e'],
    ['with a space behind it', `${good()} `],
    ['with the end of a line behind it', `${good()}\n`],
    ['in base64 with padding', `${good()}=`],
    ['whose signature is spelt in another way', good().replace(/.$/, spare)],
    ['whose payload is a list', handMadeToken(HS, '[]', signer)],
    ['whose payload is null', handMadeToken(HS, 'null', signer)],
    ['whose payload is no JSON', withText(json => json.slice(0, -1))],
    ['whose payload begins with a byte order mark', withText(json => `\ufeff${json}`)],
    ['whose payload is no UTF-8', withText(json => Buffer.from(`{"x":"\xff",${json.slice(1)}`, 'latin1'))]
  ] as const) {
    add('ERR_JWT_MALFORMED', what, token)
  }
  add('ERR_JWT_SIZE', 'of 1 MiB', 'a'.repeat(1_048_576))
  add('ERR_JWT_SIZE', 'of 16 KiB, well signed', good({ x: 'x'.repeat(12_288) }))
  return list
}

export interface ForgedForPublicKeyOptions {
  /** The issuer's RSA key, whose public half the server knows. */
  privateKey: KeyObject
  /** All claims of a good token. */
  claims: Readonly<Record<string, unknown>>
}

/** Tokens to show to a server that knows one RSA key and no secret (RFC 8725). */
export function forgedForPublicKey({ privateKey, claims }: ForgedForPublicKeyOptions): ForgedToken[] {
  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const publicKey = createPublicKey(privateKey)
  const pem = publicKey.export({ type: 'spki', format: 'pem' }) as string
  const list: ForgedToken[] = []
  const add = (code: JwtErrorCode, what: string, token: string): void => void list.push({ what, token, code })

  for (const [form, secret] of [
    ['in PEM', pem],
    ['in PEM without its last line end', pem.trim()],
    ['in PEM with CRLF', pem.replace(/\n/g, '\r\n')],
    ['in DER', publicKey.export({ type: 'spki', format: 'der' })],
    ['as a JSON Web Key', JSON.stringify(publicKey.export({ format: 'jwk' }))]
  ] as const) {
    const token = handMadeToken(HS, claims, hs256(secret))
    add('ERR_JWT_ALGORITHM', `of HS256 whose secret is the public key ${form}`, token)
  }
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  for (const [alg, signer] of [
    ['none', unsigned],
    ['PS256', ps256(privateKey)],
    ['ES256', es256(ec.privateKey)]
  ] as const) {
    add('ERR_JWT_ALGORITHM', `of ${alg}`, handMadeToken({ alg, ...JWT }, claims, signer))
  }

  const byStranger = rs256(stranger.privateKey)
  add('ERR_JWT_SIGNATURE', 'of RS256 with a signature of PS256', handMadeToken(RS, claims, ps256(privateKey)))
  add(
    'ERR_JWT_SIGNATURE',
    'whose signature is all zeros',
    handMadeToken(RS, claims, () => Buffer.alloc(256))
  )
  add('ERR_JWT_SIGNATURE', 'without its signature', handMadeToken(RS, claims, unsigned))
  add('ERR_JWT_SIGNATURE', "of a stranger's key", handMadeToken(RS, claims, byStranger))
  add(
    'ERR_JWT_SIGNATURE',
    "of a stranger's key, whose certificate it brings",
    handMadeToken({ ...RS, x5c: ['MIIB'] }, claims, byStranger)
  )
  for (const header of [
    { jwk: stranger.publicKey.export({ format: 'jwk' }) },
    { jku: 'https://evil.example/jwks.json' },
    { x5u: 'https://evil.example/cert.pem' }
  ]) {
    const [name] = Object.keys(header)
    add(
      'ERR_JWT_HEADER',
      `of a stranger's key, with ${name}`,
      handMadeToken({ ...RS, ...header }, claims, byStranger)
    )
    add(
      'ERR_JWT_HEADER',
      `of the right key, with ${name}`,
      handMadeToken({ ...RS, ...header }, claims, rs256(privateKey))
    )
  }
  return list
}

/** Another last character of the same bits: 256 bits leave two of its six over. */
function spare(last: string): string {
  return last === 'A' ? 'B' : String.fromCharCode(last.charCodeAt(0) + 1)
}
