import { expect } from 'chai'
import { Deliveries, type Delivery, fateUnknown, notSent } from '../lib/deliveries'
import type { TokenError } from '../lib/errors'

/** Deliveries of the tokens with these numbers, and what was told of them. */
function pending(...numbers: number[]) {
  const deliveries = new Deliveries()
  const told: string[] = []
  const errors: TokenError[] = []
  const made = numbers.map(number => {
    const delivery: Delivery = {
      number,
      resolve: () => told.push(`${number} handed`),
      reject: error => {
        told.push(`${number} ${error.code}`)
        errors.push(error)
      }
    }
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
    expect([deliveries.handed, deliveries.size, [...deliveries.numbers()]]).to.deep.equal([5, 1, [6]])
  })

  it('know the count also of tokens that were only sent', () => {
    const { deliveries, told } = pending()
    deliveries.acknowledge(7)
    expect([deliveries.handed, told]).to.deep.equal([7, []])
  })

  it('are found by number, and forgotten once', () => {
    const { deliveries, made } = pending(1, 3)
    expect([deliveries.find(3), deliveries.find(2)]).to.deep.equal([made[1], null])
    expect(deliveries.remove(made[1] as Delivery)).to.equal(true)
    expect(deliveries.remove(made[1] as Delivery)).to.equal(false)
    expect(deliveries.find(3)).to.equal(null)
  })

  it('move up behind a token that was taken back', () => {
    const { deliveries, told } = pending(1, 3, 4)
    deliveries.shiftAfter(2)
    expect([...deliveries.numbers()]).to.deep.equal([1, 2, 3])
    deliveries.acknowledge(2)
    expect(told).to.deep.equal(['1 handed', '3 handed'])
  })

  it('of dropped tokens are not sent, and those behind move up', () => {
    const { deliveries, told } = pending(1, 2, 3, 5)
    deliveries.drop(2, 2)
    expect(told).to.deep.equal(['2 ERR_NOT_SENT', '3 ERR_NOT_SENT'])
    expect([...deliveries.numbers()]).to.deep.equal([1, 3])
  })

  describe('at the end of the connection', () => {
    it('without a count are unknown if they left, and not sent if not', () => {
      const { deliveries, told } = pending(1, 2, 3)
      deliveries.acknowledge(1)
      deliveries.end(2, null, null)
      expect(told).to.deep.equal(['1 handed', '2 ERR_FATE_UNKNOWN', '3 ERR_NOT_SENT'])
      expect(deliveries.size).to.equal(0)
    })

    it('with the final count are handed or not sent, and never unknown', () => {
      const { deliveries, told } = pending(1, 2, 3)
      deliveries.end(3, 2, null)
      expect([told, deliveries.handed]).to.deep.equal([['1 handed', '2 handed', '3 ERR_NOT_SENT'], 2])
    })

    it('are told once', () => {
      const { deliveries, told } = pending(1)
      deliveries.end(1, 1, null)
      deliveries.end(1, null, null)
      expect(told).to.deep.equal(['1 handed'])
    })

    it('bear what broke it as their cause', () => {
      const { deliveries, errors } = pending(1, 2)
      const cause = { code: 'ERR_LOST' } as TokenError
      deliveries.end(1, null, cause)
      expect(errors.map(error => error.cause)).to.deep.equal([cause, cause])
    })
  })

  it('errors say what they mean', () => {
    expect(notSent().message).to.equal('Cannot deliver a token: the peer has not had it and will not get it')
    expect(fateUnknown().message).to.equal(
      'Cannot tell whether a token was delivered: it left, and no answer came'
    )
  })
})
