import { generateKeyPairSync } from 'node:crypto'
import { createVerifier } from '@token-server/identity'
import { type ForgedToken, forgedForPublicKey, forgedForSecret } from '@token-server/identity/testing'
import { closesWhatItOpened } from '@token-server/test-helpers'
import { expect } from 'chai'
import { DOORS, enter } from '../helpers/guest'
import { deviceToken, SECRET, until } from '../helpers/test-broker'
import { TestDoor } from '../helpers/test-door'

/** MQTT has no longer password, and the token door no longer header. */
const LONGEST = 65_000

describe('B6: a forged token', () => {
  closesWhatItOpened()

  for (const by of DOORS) {
    it(`opens nothing, whatever it is forged of: ${by}`, async function () {
      this.timeout(60_000)
      const door = await TestDoor.start()
      await isRefused(door, forgedForSecret({ secret: SECRET, claims: { user_id: '1' } }))
      expect(await enter(door, by, await deviceToken('1')), 'the good one').not.to.equal(undefined)
      await until('it is there', () => door.test.broker.counters.connections === 1)
    })

    it(`opens nothing where tokens are signed by a private key: ${by}`, async function () {
      this.timeout(60_000)
      const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
      const verifier = createVerifier({ issuers: { publicKey } })
      const door = await TestDoor.start({ broker: { verifier } })
      await isRefused(door, forgedForPublicKey({ privateKey, claims: { user_id: '1' } }))
      await isRefused(door, [
        { what: 'of a secret', token: await deviceToken('1'), code: 'ERR_JWT_ALGORITHM' }
      ])
    })

    async function isRefused(door: TestDoor, forged: readonly ForgedToken[]): Promise<void> {
      const possible = forged.filter(({ token }) => token.length <= LONGEST)
      expect(possible.length).to.be.greaterThan(0)
      const { counters } = door.test.broker
      for (const { what, token } of possible) {
        const before = counters.refusedConnects
        expect(await enter(door, by, token), what).to.equal(undefined)
        expect(counters, what).to.include({ connections: 0, refusedConnects: before + 1 })
      }
    }
  }
})
