import { expect } from 'chai'
import { TokenError } from '../../lib/errors/token-error'
import { Deliveries, Delivery } from '../../lib/session/deliveries'

/** Deliveries of the tokens at these places, and what was told of them. */
function pending(...args: ({ goesOn: boolean } | number)[]) {
  const places = args.filter(arg => typeof arg === 'number')
  const deliveries = new Deliveries(args.some(arg => typeof arg === 'object' && arg.goesOn))
  const told: string[] = []
  const errors: TokenError[] = []
  const made = places.map(place => {
    const delivery = new Delivery(
      place,
      () => told.push(`${place} handed`),
      error => {
        told.push(`${place} ${error.code}`)
        errors.push(error)
      }
    )
    deliveries.add(delivery)
    return delivery
  })
  return { deliveries, made, told, errors }
}

describe('Deliveries', () => {
  it('are handed up to the count, in order, and once', () => {
    const { deliveries, told } = pending(1, 2, 5, 6)
    deliveries.acknowledge(2)
    deliveries.acknowledge(5)
    deliveries.acknowledge(5)
    expect(told).to.deep.equal(['1 handed', '2 handed', '5 handed'])
    expect([deliveries.handed, deliveries.size, deliveries.find(6)?.place]).to.deep.equal([5, 1, 6])
  })

  it('know the count also of tokens that were only sent', () => {
    const { deliveries, told } = pending()
    deliveries.acknowledge(7)
    expect([deliveries.handed, told]).to.deep.equal([7, []])
  })

  it('are found by place, and told once', () => {
    const { deliveries, made } = pending(1, 3)
    const [, second] = made as [Delivery, Delivery]
    expect([deliveries.find(3), deliveries.find(2)]).to.deep.equal([second, null])
    expect([deliveries.tell(second), deliveries.tell(second)]).to.deep.equal([true, false])
    expect(deliveries.size).to.equal(1)
  })

  it('have smaller numbers behind a token that was taken back, whatever is counted when', () => {
    for (const early of [0, 1]) {
      const { deliveries, made, told } = pending(1, 2, 4, 5)
      deliveries.acknowledge(early)
      deliveries.tell(made[1] as Delivery)
      deliveries.leaveGap(made[1] as Delivery)
      deliveries.acknowledge(2)
      expect(told).to.deep.equal(['1 handed'])
      deliveries.acknowledge(3)
      expect(told).to.deep.equal(['1 handed', '4 handed'])
      deliveries.acknowledge(4)
      expect([told.at(-1), deliveries.size]).to.deep.equal(['5 handed', 0])
    }
  })

  it('keep their numbers when gaps are closed, and keep nothing that waits for nothing', () => {
    const { deliveries, made, told } = pending(1, 2, 3, 5, 6)
    const [, second, third, fourth] = made as [Delivery, Delivery, Delivery, Delivery]
    for (const gone of [second, fourth]) {
      deliveries.tell(gone)
      deliveries.leaveGap(gone)
    }
    deliveries.tell(third)
    expect(deliveries.closeGaps(4)).to.equal(2)
    expect([deliveries.find(2), deliveries.find(4)?.place, deliveries.size]).to.deep.equal([null, 4, 2])
    deliveries.acknowledge(3)
    expect(told).to.deep.equal(['1 handed'])
    deliveries.acknowledge(4)
    expect(told).to.deep.equal(['1 handed', '6 handed'])
  })

  it('that ask and were given up are kept until they are answered, however many wait for nothing', () => {
    const { deliveries } = pending(1)
    const asked = Array.from({ length: 100 }, (_, i) => {
      const delivery = new Delivery(
        i + 2,
        () => {},
        () => {},
        true
      )
      deliveries.add(delivery)
      deliveries.tell(delivery)
      return delivery
    })
    expect([deliveries.unanswered, deliveries.isSparse(0)]).to.deep.equal([100, false])
    deliveries.closeGaps(200)
    expect([deliveries.unanswered, deliveries.isAsked(2), deliveries.isAsked(101)]).to.deep.equal([
      100,
      true,
      true
    ])
    for (const { place } of asked.slice(0, 99)) deliveries.answer(place, Buffer.alloc(0))
    expect([deliveries.unanswered, deliveries.isAsked(2), deliveries.isSparse(0)]).to.deep.equal([
      1,
      false,
      true
    ])
    deliveries.closeGaps(200)
    expect([deliveries.find(2), deliveries.find(101), deliveries.size]).to.deep.equal([null, asked[99], 2])
    deliveries.acknowledge(101)
    expect([deliveries.unanswered, deliveries.size]).to.deep.equal([0, 0])
  })

  it('move up when tokens before them were taken out of the queue, and theirs are forgotten', () => {
    const { deliveries, told } = pending(1, 2, 3, 5)
    deliveries.removed([2, 3])
    expect([deliveries.find(3)?.place, deliveries.size]).to.deep.equal([3, 2])
    deliveries.acknowledge(3)
    expect(told).to.deep.equal(['1 handed', '5 handed'])
  })

  describe('at the end of the connection', () => {
    it('without a count are unknown if they left, and not sent if not', () => {
      const { deliveries, told } = pending(1, 2, 3)
      deliveries.acknowledge(1)
      deliveries.end(3, null, null)
      expect(told).to.deep.equal(['1 handed', '2 ERR_FATE_UNKNOWN', '3 ERR_NOT_SENT'])
      expect(deliveries.size).to.equal(0)
    })

    it('with the final count are handed or not sent, and never unknown', () => {
      const { deliveries, told } = pending(1, 2, 3)
      deliveries.end(4, 2, null)
      expect([told, deliveries.handed]).to.deep.equal([['1 handed', '2 handed', '3 ERR_NOT_SENT'], 2])
    })

    it('are told once', () => {
      const { deliveries, told } = pending(1)
      deliveries.end(2, 1, null)
      deliveries.end(2, null, null)
      expect(told).to.deep.equal(['1 handed'])
    })

    it('bear what broke it as their cause', () => {
      const { deliveries, errors } = pending(1, 2)
      const cause = { code: 'ERR_LOST' } as TokenError
      deliveries.end(2, null, cause)
      expect(errors.map(error => error.cause)).to.deep.equal([cause, cause])
    })
  })

  describe('of a client that goes on', () => {
    it('stay pending above the final count of a peer that has ended in order, until nobody goes on with them', () => {
      const { deliveries, told, errors } = pending({ goesOn: true }, 1, 2, 3)
      deliveries.end(3, 1, null)
      deliveries.end(3, null, null)
      expect([told, deliveries.returnsAbove, deliveries.isFinal]).to.deep.equal([['1 handed'], 1, true])
      deliveries.settle(3, null)
      expect(told.slice(1)).to.deep.equal(['2 ERR_NOT_SENT', '3 ERR_NOT_SENT'])
      expect(errors.map(({ reason }) => reason)).to.deep.equal(['peer-closed', 'peer-closed'])
    })

    it('are told what is true when the peer has broken off without a last word', () => {
      const { deliveries, told } = pending({ goesOn: true }, 1, 2)
      deliveries.end(2, null, new TokenError('ERR_LOST', 'lost'))
      expect([told, deliveries.returnsAbove]).to.deep.equal([['1 ERR_FATE_UNKNOWN', '2 ERR_NOT_SENT'], null])
    })

    it('do not go to a peer that has closed because of what it was sent', () => {
      const { deliveries, told } = pending({ goesOn: true }, 1)
      deliveries.end(2, 0, new TokenError('ERR_PEER_CLOSED', 'closed', { closeCode: 'protocol-error' }))
      expect([told, deliveries.returnsAbove]).to.deep.equal([['1 ERR_NOT_SENT'], null])
    })

    it('are known by their place also when they were given up after their token had left', () => {
      const { deliveries, made } = pending({ goesOn: true }, 1, 2)
      deliveries.tell(made[0] as Delivery)
      deliveries.closeGaps(2)
      expect(deliveries.find(1)?.isPending).to.equal(false)
    })
  })
})
