import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { formatInvitation, parseInvitation } from '../../lib/wire/invitation'

const invitation = {
  address: 'https://lamp.example:8443',
  device: 'AbCdEfGhIjKlMnOpQrStUv',
  publicKey: new Uint8Array(randomBytes(32)),
  secret: new Uint8Array(randomBytes(32)),
  mode: 'paired'
} as const

describe('An invitation', () => {
  for (const address of [
    'https://lamp.example:8443',
    'https://lamp.example/home',
    'http://localhost:8080',
    'wss://lamp.example/remote',
    'ws://localhost:8080',
    'tokens://lamp.example:9000'
  ])
    it(`is read as it was written, for ${address}`, () => {
      expect(parseInvitation(formatInvitation({ ...invitation, address }))).to.deep.equal({
        ...invitation,
        address
      })
    })

  it('is the page of a web server, with the secret in the fragment alone', () => {
    const url = new URL(formatInvitation(invitation))
    const secret = Buffer.from(invitation.secret).toString('base64url')
    expect(url.pathname).to.equal('/r')
    expect(url.hash).to.include(secret)
    url.hash = ''
    expect(url.href).to.equal('https://lamp.example:8443/r')
  })

  it('takes no query along, for a server would see it', () => {
    expect(formatInvitation({ ...invitation, address: 'https://lamp.example/?a=1' })).not.to.include('a=1')
  })

  it('is refused when a field is missing, stands twice, or has the wrong size', () => {
    const good = formatInvitation(invitation)
    expect(parseInvitation(good)).not.to.equal(undefined)
    for (const field of ['v', 'd', 'p', 'k', 'm']) {
      const text = new RegExp(`(?<=[#&])${field}=[^&]*`).exec(good)?.[0] ?? ''
      expect(parseInvitation(good.replace(text, 'x=1')), `without ${field}`).to.equal(undefined)
      expect(parseInvitation(`${good}&${text}`), `${field} twice`).to.equal(undefined)
      expect(parseInvitation(good.replace(text, `${text}x`)), `${field} longer`).to.equal(undefined)
      expect(parseInvitation(good.replace(text, `${field}=`)), `${field} empty`).to.equal(undefined)
    }
    for (const text of ['', 'lamp', 'https://lamp.example/r', good.replace('https:', 'javascript:')])
      expect(parseInvitation(text), text).to.equal(undefined)
    expect(parseInvitation(`${good}&x=${'x'.repeat(2048)}`), 'long').to.equal(undefined)
  })

  it('may bear fields of a later time', () => {
    expect(parseInvitation(`${formatInvitation(invitation)}&n=lamp`)?.mode).to.equal('paired')
  })
})
