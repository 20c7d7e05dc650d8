import { expect } from 'chai'
import { FakeClock } from 'token-server/testing'
import { InvitationBoard } from '../../lib/codes/invitation-board'
import { randomId } from '../../lib/encoding/random-id'

const SEALED = Uint8Array.of(1, 2, 3)

describe('The board of sealed invitations', () => {
  it('gives each out once', () => {
    const board = new InvitationBoard()
    const place = randomId()
    expect(board.post('lamp', place, SEALED)).to.equal(true)
    expect(board.take(randomId())).to.equal(undefined)
    expect(board.take(place)).to.deep.equal(SEALED)
    expect(board.take(place)).to.equal(undefined)
    expect(board.size).to.equal(0)
  })

  it('holds each for two minutes', () => {
    const clock = new FakeClock()
    const board = new InvitationBoard({ clock })
    const [place, other] = [randomId(), randomId()]
    board.post('lamp', place, SEALED)
    clock.advance(119_999)
    board.post('lamp', other, SEALED)
    clock.advance(1)
    expect(board.take(place)).to.equal(undefined)
    expect(board.take(other)).to.deep.equal(SEALED)
  })

  it('holds a copy, at places that are free, and nothing that is malformed or too long', () => {
    const board = new InvitationBoard()
    const [place, sealed] = [randomId(), Uint8Array.from(SEALED)]
    expect(board.post('lamp', place, sealed)).to.equal(true)
    expect(board.post('door', place, Uint8Array.of(9))).to.equal(false)
    sealed[0] = 9
    for (const wrong of ['', 'x', `${randomId()}x`, '__proto__'])
      expect(board.post('lamp', wrong, SEALED)).to.equal(false)
    expect(board.post('lamp', randomId(), new Uint8Array(2049))).to.equal(false)
    expect(board.take(place)).to.deep.equal(SEALED)
  })

  it('holds so many of a device, and so many in all', () => {
    const board = new InvitationBoard({ maxPerDevice: 2, maxInvitations: 3 })
    const post = (device: string) => board.post(device, randomId(), SEALED)
    expect([post('lamp'), post('lamp'), post('lamp')]).to.deep.equal([true, true, false])
    expect([post('door'), post('door')]).to.deep.equal([true, false])
    board.close()
    expect(board.size).to.equal(0)
  })
})
