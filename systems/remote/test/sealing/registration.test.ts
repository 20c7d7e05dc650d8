import { expect } from 'chai'
import { toBase64url } from '../../lib/encoding/base64url'
import { randomBytes } from '../../lib/encoding/random-id'
import { nodeAead } from '../../lib/sealing/node-aead'
import { answerChallenge, challengeDevice } from '../../lib/sealing/registration'
import { createSuite } from '../../lib/sealing/suite'

const suite = createSuite({ aead: nodeAead })

describe('The challenge of a device that registers', () => {
  it('is answered by the device that has the key, and by no other', async () => {
    const [own, other] = [await suite.GenerateKeyPair(), await suite.GenerateKeyPair()]
    const challenge = await challengeDevice(suite, await suite.SerializePublicKey(own.publicKey))
    expect(challenge.isProof(await answerChallenge(suite, own, challenge.message))).to.equal(true)
    const failed = await answerChallenge(suite, other, challenge.message).catch((error: Error) => error)
    expect(failed).to.be.instanceOf(Error)
  })

  it('takes no guess, no answer of before and no part of the answer', async () => {
    const keys = await suite.GenerateKeyPair()
    const publicKey = await suite.SerializePublicKey(keys.publicKey)
    const [first, second] = [await challengeDevice(suite, publicKey), await challengeDevice(suite, publicKey)]
    const old = await answerChallenge(suite, keys, first.message)
    for (const nonce of [old.nonce, '', '!', toBase64url(randomBytes(32)), toBase64url(randomBytes(33))])
      expect(second.isProof({ do: 'proof', nonce }), nonce).to.equal(false)
    const { nonce } = await answerChallenge(suite, keys, second.message)
    expect(second.isProof({ do: 'proof', nonce: nonce.slice(0, 40) })).to.equal(false)
    expect(second.isProof({ do: 'proof', nonce })).to.equal(true)
  })

  it('opens nothing for a relay but a challenge', async () => {
    const keys = await suite.GenerateKeyPair()
    const publicKey = await suite.SerializePublicKey(keys.publicKey)
    const { encapsulatedSecret, ciphertext } = await suite.Seal(
      await suite.DeserializePublicKey(publicKey),
      randomBytes(32)
    )
    const forged = {
      do: 'challenge',
      enc: toBase64url(encapsulatedSecret),
      sealed: toBase64url(ciphertext)
    } as const
    for (const challenge of [forged, { ...forged, enc: '' }, { ...forged, sealed: '!' }]) {
      const failed = await answerChallenge(suite, keys, challenge).catch((error: Error) => error)
      expect(failed).to.be.instanceOf(Error)
    }
  })
})
