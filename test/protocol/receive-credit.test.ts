import { expect } from 'chai'
import fc from 'fast-check'
import { ReceiveCredit } from '../../lib/protocol/receive-credit'

describe('ReceiveCredit', () => {
  it('lets a token start while one byte is left, and not the next', () => {
    const credit = new ReceiveCredit(8)
    expect([credit.take(7), credit.take(8), credit.take(4)]).to.deep.equal([true, true, false])
  })

  it('lets one token of any length start when it is one byte', () => {
    const credit = new ReceiveCredit(1)
    expect([credit.take(1_000_000), credit.take(4)]).to.deep.equal([true, false])
  })

  it('counts what was freed only when it was granted', () => {
    const credit = new ReceiveCredit(8)
    credit.take(8)
    credit.free(8)
    expect(credit.held).to.equal(0)
    expect(credit.isDue).to.equal(true)
    expect(credit.grant()).to.equal(8)
    expect([credit.isDue, credit.take(4)]).to.deep.equal([false, true])
  })

  it('is due at exactly half of the window', () => {
    for (const [window, due] of [
      [8, 4],
      [9, 5],
      [1, 1]
    ] as const) {
      const credit = new ReceiveCredit(window)
      credit.take(100)
      if (due > 1) credit.free(due - 1)
      expect(credit.isDue, `${window}`).to.equal(false)
      credit.free(due > 1 ? 1 : due)
      expect(credit.isDue, `${window}`).to.equal(true)
    }
  })

  it('is granted as the sum since the beginning', () => {
    const credit = new ReceiveCredit(8)
    credit.free(5)
    expect(credit.grant()).to.equal(5)
    credit.free(6)
    expect(credit.grant()).to.equal(11)
  })

  describe('with tokens of an older transport', () => {
    it('starts with what the window has left, and gives the rest when they are taken', () => {
      const credit = new ReceiveCredit(100, 60)
      expect([credit.helloWindow, credit.held]).to.deep.equal([40, 60])
      expect([credit.take(40), credit.take(4)]).to.deep.equal([true, false])
      credit.free(49)
      expect(credit.isDue).to.equal(false)
      credit.free(11)
      expect([credit.isDue, credit.grant(), credit.held]).to.deep.equal([true, 60, 44])
    })

    it('above the window starts with none, and gives none until less than the window waits', () => {
      const credit = new ReceiveCredit(100, 160)
      expect([credit.helloWindow, credit.held, credit.take(4)]).to.deep.equal([0, 160, false])
      credit.free(60)
      expect([credit.isDue, credit.grant()]).to.deep.equal([false, 0])
      credit.free(50)
      expect([credit.isDue, credit.grant()]).to.deep.equal([true, 50])
    })

    it('always leaves credit above zero when all was taken', () => {
      fc.assert(
        fc.property(fc.integer({ min: 1, max: 300 }), fc.nat({ max: 900 }), (window, held) => {
          const credit = new ReceiveCredit(window, held)
          credit.free(held)
          const granted = credit.isDue ? credit.grant() : 0
          expect(credit.helloWindow + granted).to.be.above(0)
          expect(credit.held).to.equal(0)
        })
      )
    })
  })

  it('never runs dry for a peer whose tokens were all freed, and never holds more than window and a token', () => {
    const costs = fc.array(fc.integer({ min: 4, max: 300 }), { maxLength: 200 })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), costs, (window, tokens) => {
        const credit = new ReceiveCredit(window)
        let peer = window
        let granted = 0
        const grant = () => {
          const sum = credit.grant()
          peer += sum - granted
          granted = sum
        }
        for (const cost of tokens) {
          if (peer <= 0) throw new Error('the peer ran dry')
          expect(credit.take(cost)).to.equal(true)
          peer -= cost
          expect(credit.held).to.be.at.most(window + 300)
          credit.free(cost)
          if (credit.isDue) grant()
        }
      }),
      process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) }
    )
  })
})
