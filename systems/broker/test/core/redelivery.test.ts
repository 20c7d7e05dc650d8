import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect } from 'chai'
import type { AedesPacket } from '../../lib/core/aedes-packet'
import { Counters } from '../../lib/core/counters'
import type { Member } from '../../lib/core/member'
import { Redelivery } from '../../lib/core/redelivery'
import { DEFAULT_LIMITS } from '../../lib/limits/limits'
import type { Store } from '../../lib/store/store'

const QUEUED = 500
/** What the store may be asked to mark at once. */
const AT_ONCE = 64

describe('The redelivery of a queue', () => {
  it('has many messages under way at once, in their order, and lets none that comes meanwhile go past them', async () => {
    const store = {
      *outgoingUnsent() {
        for (let number = 1; number <= QUEUED; number++) yield { brokerId: 'b', brokerCounter: number }
      }
    }
    const begun: number[] = []
    const finish: (() => void)[] = []
    const client = {
      clean: false,
      closed: false,
      conn: { writableLength: 0 },
      deliverQoS: ({ brokerCounter = 0 }: AedesPacket, done: () => void) => {
        begun.push(brokerCounter)
        finish.push(done)
      }
    }
    const member = { client, turnBytes: 0, isLive: false } as unknown as Member
    const redelivery = new Redelivery(store as unknown as Store, DEFAULT_LIMITS, new Counters())
    const late = { brokerId: 'b', brokerCounter: QUEUED + 1 } as AedesPacket
    redelivery.ready(member)
    await turns()
    expect(begun).to.have.length(AT_ONCE)
    while (begun.length < QUEUED) {
      finish.shift()?.()
      await nextTurn()
    }
    await turns()
    expect(begun).to.deep.equal(Array.from({ length: QUEUED }, (_, i) => i + 1))
    expect(member.isLive, 'some are under way').to.equal(false)
    for (const done of finish.splice(0)) done()
    await turns()
    expect(member.isLive).to.equal(true)
    expect(redelivery.passes(member, late, true)).to.equal(true)
  })
})

/** All that follows from what was done. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await nextTurn()
}
