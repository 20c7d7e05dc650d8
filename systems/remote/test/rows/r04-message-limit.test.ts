import { isLong } from '@token-server/test-helpers'
import { expect } from 'chai'
import { type AEADFactory, CipherSuite } from 'hpke'
import { utf8 } from '../../lib/encoding/bytes'
import { randomBytes } from '../../lib/encoding/random-id'
import { nodeAead } from '../../lib/sealing/node-aead'
import { nodeKdf } from '../../lib/sealing/node-kdf'
import { nodeKem } from '../../lib/sealing/node-kem'
import { SealedSession, SessionWornError } from '../../lib/sealing/session'
import { hex } from '../helpers/hex'
import { frameOf, sealedPair, sharedKey, suite, testDevice } from '../helpers/sealed-pair'

const MESSAGES = isLong ? 1_000_000 : 10_000

/** Tells of each call which key and which nonce it sealed with. */
function watched(aead: AEADFactory, seen: (key: Uint8Array, nonce: Uint8Array) => void): AEADFactory {
  return () => {
    const made = aead()
    return {
      ...made,
      Seal: (key, nonce, aad, plain) => {
        seen(key, nonce)
        return made.Seal(key, nonce, aad, plain)
      }
    }
  }
}

/** Its nonces have one byte, so that hpke's limit of messages comes after 255 and not after 2^53. */
const oneByteNonces: AEADFactory = () => {
  const made = nodeAead()
  const long = (nonce: Uint8Array) => Uint8Array.from({ length: 12 }, (_, index) => nonce[index] ?? 0)
  return {
    ...made,
    Nn: 1,
    Seal: (key, nonce, aad, plain) => made.Seal(key, long(nonce), aad, plain),
    Open: (key, nonce, aad, sealed) => made.Open(key, long(nonce), aad, sealed)
  }
}

describe('R4: the limit of a key', function () {
  this.timeout(600_000)

  it('in messages ends the session: no nonce is used again, and nothing is sealed after it', async () => {
    const nonces: string[] = []
    const few = new CipherSuite(
      nodeKem,
      nodeKdf,
      watched(oneByteNonces, (key, nonce) => nonces.push(`${hex(key)} ${hex(nonce)}`))
    )
    const { client, device } = await sealedPair({ suites: [few, few] })
    for (const [from, to] of [
      [client, device],
      [device, client]
    ] as const) {
      let count = 0
      let error: unknown
      while (error === undefined && count < 1000)
        await from.seal(utf8(`${count}`)).then(
          async frame => {
            await to.open(frameOf(frame))
            count++
          },
          thrown => {
            error = thrown
          }
        )
      expect(error).to.be.instanceOf(SessionWornError)
      // The first message of each way went with the handshake.
      expect(count).to.equal(254)
      for (let again = 0; again < 3; again++) {
        const later = await from.seal(utf8('x')).catch(thrown => thrown)
        expect(later).to.be.instanceOf(SessionWornError)
      }
      expect(from.isWorn).to.equal(true)
    }
    expect(new Set(nonces).size).to.equal(nonces.length)
  })

  it('in bytes is told at the half of it, and ends the session', async () => {
    const keys = await suite.GenerateKeyPair()
    const { ctx, encapsulatedSecret } = await suite.SetupSender(keys.publicKey)
    const incoming = await suite.SetupRecipient(keys, encapsulatedSecret)
    const place = { device: 'd', client: 'c', key: 'k', session: new Uint8Array(8) }
    const session = new SealedSession(place, 'shared', ctx, incoming, ctx, 1000)
    const said: boolean[] = []
    let sealed = 0
    for (let count = 0; count < 20; count++) {
      said.push(session.isWorn)
      await session.seal(new Uint8Array(68)).then(
        () => sealed++,
        error => expect(error).to.be.instanceOf(SessionWornError)
      )
    }
    expect([sealed, said.indexOf(true)]).to.deep.equal([10, 6])
  })

  it(`is far off in ${MESSAGES} messages: no nonce twice, device and client started anew in between`, async () => {
    const perSession = 500
    const keysOfBefore = new Set<string>()
    let nonces = new Map<string, Set<string>>()
    let repeated = 0
    const parts = watched(nodeAead, (key, nonce) => {
      const name = hex(key)
      if (keysOfBefore.has(name)) repeated++
      const used = nonces.get(name) ?? new Set()
      const text = hex(nonce)
      if (used.has(text)) repeated++
      nonces.set(name, used.add(text))
    })
    const key = sharedKey()
    const ikm = randomBytes(32)
    for (let count = 0; count < MESSAGES; ) {
      // All that a restart leaves: the device's static key, and the shared one.
      const started = new CipherSuite(nodeKem, nodeKdf, parts)
      const device = await testDevice(started, ikm)
      const { client, device: answering } = await sealedPair({
        key,
        device,
        client: 'c1',
        suites: [started, started]
      })
      for (let sent = 0; sent < perSession; sent += 2, count += 2)
        await Promise.all([client.seal(utf8('same text')), answering.seal(utf8('same text'))])
      for (const name of nonces.keys()) keysOfBefore.add(name)
      nonces = new Map()
    }
    console.log(`        ${keysOfBefore.size} keys, ${repeated} nonces used twice`)
    expect(repeated).to.equal(0)
  })
})
