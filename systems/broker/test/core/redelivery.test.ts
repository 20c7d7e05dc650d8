import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect } from 'chai'
import type { AedesPacket } from '../../lib/core/aedes-packet'
import { Counters } from '../../lib/core/counters'
import type { Member } from '../../lib/core/member'
import { Redelivery } from '../../lib/core/redelivery'
import { DEFAULT_LIMITS } from '../../lib/limits/limits'
import { SessionTakenError, type Store } from '../../lib/store/store'

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
    const member = { client, turnBytes: 0, delivery: 'resending' } as unknown as Member
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
    expect(member.delivery, 'some are under way').to.equal('fetching')
    for (const done of finish.splice(0)) done()
    await turns()
    expect(member.delivery).to.equal('live')
    expect(redelivery.passes(member, late, true)).to.equal(true)
  })

  it('waits for a store that is away, and cuts the client of one that fails', async () => {
    const cuts: string[] = []
    const store = {
      whyDown: 'it is away' as string | undefined,
      outgoingUnsent: (): Iterable<AedesPacket> => {
        throw new Error('no')
      }
    }
    const client = { clean: false, closed: false, conn: { writableLength: 0 } }
    const connection = { cut: (why: string) => cuts.push(why) }
    const member = { client, connection, turnBytes: 0, delivery: 'resending' } as unknown as Member
    const redelivery = new Redelivery(store as unknown as Store, DEFAULT_LIMITS, new Counters())
    redelivery.ready(member)
    await turns()
    expect([member.delivery, cuts]).to.deep.equal(['stranded', []])
    store.whyDown = undefined
    redelivery.recover(member)
    await turns()
    expect(cuts).to.deep.equal(['its queue could not be read: no'])
    store.outgoingUnsent = () => {
      throw new SessionTakenError('gone')
    }
    redelivery.recover(member)
    await turns()
    expect(cuts.slice(1)).to.deep.equal(['the client has connected to another broker'])
    store.outgoingUnsent = () => []
    redelivery.recover(member)
    await turns()
    expect(member.delivery).to.equal('live')
  })
})

/** All that follows from what was done. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await nextTurn()
}
