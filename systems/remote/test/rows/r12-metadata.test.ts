import { createVerifier } from '@token-server/identity'
import { closesWhatItOpened, isLong, onCleanUp } from '@token-server/test-helpers'
import { expect } from 'chai'
import { toBase64url } from '../../lib/encoding/base64url'
import { randomBytes, randomId } from '../../lib/encoding/random-id'
import { Relay } from '../../lib/relay/relay'
import { onceRequest } from '../helpers/once-request'
import { TestClient, TestDeviceLink } from '../helpers/relay-people'
import { SECRET, tokenOf } from '../helpers/secret'

/** Of each kind of refusal. */
const SAMPLES = isLong ? 10_000 : 1_000
const AT_ONCE = 50
const GRACE = 25
/** Milliseconds between two medians; of fewer samples, beside other tests, less can be said. */
const MOST_DIFFERENCE = isLong ? 1 : 5

describe('R12: what a relay tells to somebody whom it does not let in', function () {
  this.timeout(isLong ? 600_000 : 60_000)
  closesWhatItOpened()

  async function start(joinGrace = GRACE) {
    const verifier = createVerifier({ issuers: { secret: SECRET } })
    const limits = { joinGrace, maxOncePerSecond: 1_000_000 }
    const relay = new Relay({ verifier, limits })
    onCleanUp(() => {
      relay.close()
      verifier.close()
    })
    const jwt = await tokenOf({ userId: '7' })
    const device = await (await TestDeviceLink.of(relay)).register({
      jwt,
      tags: Array.from({ length: 200 }, tag)
    })
    return { relay, device }
  }

  const tag = () => randomBytes(16)
  const wrongTag = () => ({ tag: toBase64url(tag()) })

  /** In turn, so that whatever else this machine does befalls both. @returns the medians, in milliseconds */
  async function medians(kinds: readonly (() => Promise<unknown>)[], samples = SAMPLES): Promise<number[]> {
    const times = kinds.map((): number[] => [])
    for (let done = 0; done < samples; done += AT_ONCE)
      await Promise.all(
        Array.from({ length: AT_ONCE * kinds.length }, async (_, index) => {
          // Each kind begins as often as any other.
          const kind = (index + done / AT_ONCE + Math.floor(index / kinds.length)) % kinds.length
          const begun = performance.now()
          await kinds[kind]?.()
          times[kind]?.push(performance.now() - begun)
        })
      )
    return times.map(all => all.sort((one, other) => one - other)[all.length >> 1] as number)
  }

  it('is the same, after the same time, for a device that is not there and for each proof that is not good', async () => {
    const { relay, device } = await start()
    const stranger = await tokenOf({ userId: '8' })
    const answers = new Set<string>()
    const joins = (deviceId: () => string, proof: () => { jwt?: string; tag?: string }) => async () => {
      const client = TestClient.of(relay)
      client.say({ do: 'join', device: deviceId(), ...proof() })
      answers.add(JSON.stringify(await client.hears('bye')))
      client.link.close()
    }
    const [unknown, wrong, ...others] = await medians([
      joins(randomId, wrongTag),
      joins(() => device.id, wrongTag),
      joins(
        () => device.id,
        () => ({})
      ),
      joins(randomId, () => ({ jwt: stranger })),
      joins(
        () => device.id,
        () => ({ jwt: stranger })
      )
    ])
    expect([...answers]).to.deep.equal(['{"do":"bye","why":"unknown-device","retry":true}'])
    for (const median of [wrong, ...others])
      expect(Math.abs((median as number) - (unknown as number))).to.be.below(MOST_DIFFERENCE)
    console.log(
      `      medians, ms: ${[unknown, wrong, ...others].map(median => median?.toFixed(3)).join(', ')}`
    )
  })

  it('is the same for a request without a connection, and for whoever asks for the public key', async () => {
    const { relay, device } = await start()
    const answers = new Set<string>()
    const asks = (deviceId: () => string) => async () => {
      const id = deviceId()
      answers.add(
        JSON.stringify(await relay.once(id, async () => onceRequest(id, randomBytes(100)), wrongTag()))
      )
    }
    const looksUp = (deviceId: () => string) => async () => {
      answers.add(String(await relay.notice(deviceId(), wrongTag())))
    }
    for (const kind of [asks, looksUp]) {
      const [unknown = 0, wrong = 0] = await medians([kind(randomId), kind(() => device.id)])
      console.log(`      medians, ms: ${unknown.toFixed(3)}, ${wrong.toFixed(3)}`)
      expect(Math.abs(unknown - wrong)).to.be.below(MOST_DIFFERENCE)
    }
    expect([...answers]).to.deep.equal(['{"failed":"unknown-device"}', 'undefined'])
  })

  it('would be told apart if it were not', async () => {
    // More than a busy machine needs for those that come at once.
    const { relay, device } = await start(10 * GRACE)
    const good = tag()
    device.admit([good])
    const joins = (proof: () => { tag: string }) => async () => {
      const client = TestClient.of(relay)
      client.say({ do: 'join', device: device.id, ...proof() })
      await client.until('it has an answer', () => client.said.length > 0)
      client.link.close()
    }
    const kinds = [joins(wrongTag), joins(() => ({ tag: toBase64url(good) }))]
    const [wrong, right] = await medians(kinds, 4 * AT_ONCE)
    expect((wrong as number) - (right as number)).to.be.above(MOST_DIFFERENCE)
  })
})
