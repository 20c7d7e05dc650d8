import { expect } from 'chai'
import { withoutSecrets } from '../../lib/logging/without-secrets'

describe('withoutSecrets', () => {
  const CANARY = 'canary-6d1f'

  function clean(value: object, secrets?: string[]): string {
    const line = withoutSecrets(secrets)(JSON.stringify(value))
    expect(() => JSON.parse(line), 'still JSON').not.to.throw()
    return line
  }

  const JWT = `eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.${CANARY}`
  const secretive: [string, object][] = [
    ['a field that is named like one', { password: CANARY }],
    ['one at any depth', { a: { b: { c: [{ accessToken: CANARY }] } } }],
    ['one in another spelling', { 'X-Api-Key': CANARY, client_secret: CANARY, Authorization: CANARY }],
    ['a list', { 'set-cookie': [`a=${CANARY}`, CANARY] }],
    ['a text with quotes and backslashes', { token: `"\\"${CANARY}\\` }],
    ['a JWT in a message', { msg: `Cannot verify ${JWT}: it has expired` }],
    ['a header in a message', { msg: `authorization: Bearer ${CANARY}` }],
    ['a password of basic authentication', { msg: `Basic ${btoa(`a:${CANARY}`)} ` }],
    ['a private key', { key: `-----BEGIN EC PRIVATE KEY-----\n${CANARY}\n-----END EC PRIVATE KEY-----\n` }],
    ['a private key that was cut', { msg: `-----BEGIN PRIVATE KEY-----\n${CANARY}` }],
    ['the password of a URL', { url: `redis://user:${CANARY}@a:1` }],
    ['the password of a URL without a user', { msg: `lost redis://:${CANARY}@a:1` }],
    ['a token in the query of a URL', { url: `/mqtt?token=${CANARY}&a=b` }]
  ]
  for (const [what, value] of secretive) {
    it(`takes out ${what}`, () => {
      expect(clean(value))
        .to.include('[not shown]')
        .and.not.include(CANARY)
        .and.not.include(btoa(`a:${CANARY}`))
    })
  }

  it('takes out given values wherever they stand', () => {
    const secret = `"${CANARY}\\`
    expect(clean({ msg: `a ${secret} b`, c: [secret] }, [secret])).not.to.include(CANARY)
  })

  it('leaves everything else as it is', () => {
    const value = {
      level: 'info',
      msg: 'the token bucket of https://example.org:8883/a@b is full; basic information',
      tokens: 5,
      tokenId: 'x',
      key: 'room:5',
      maxTokenLength: 7
    }
    expect(clean(value)).to.equal(JSON.stringify(value))
  })

  it('takes no more than microseconds for an ordinary line, and a long one takes no more than its length', () => {
    const remove = withoutSecrets(['a secret that is long'])
    const timeOf = (line: string) => {
      const begin = process.hrtime.bigint()
      remove(line)
      return Number(process.hrtime.bigint() - begin)
    }
    for (const piece of ['"token":"', 'eyJ', '-----BEGIN ', '://a', '?key=', 'bearer ', '\\\\"', '[",']) {
      const bound = () => 3 * 8 * short + 2e6
      let [short, long] = [Infinity, Infinity]
      // Beyond some ten thousand matches the list of them alone takes milliseconds. What takes longer is tried again, as others use the machine, too.
      for (let tries = 0; tries < 5 || (tries < 100 && long >= bound()); tries++) {
        short = Math.min(short, timeOf(piece.repeat(1_000)))
        long = Math.min(long, timeOf(piece.repeat(8_000)))
      }
      expect(long, piece).to.be.lessThan(bound())
    }
  })
})
