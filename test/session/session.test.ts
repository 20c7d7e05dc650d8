import { expect } from 'chai'
import { Session } from '../../lib/session/session'
import type { SessionPart } from '../../lib/wire/hello'

const KEY = { id: Buffer.alloc(16, 0xa1), epoch: Buffer.alloc(8, 0xe1) }
const OTHER = Buffer.alloc(16, 0xb2)

function answerOf(changes: Partial<SessionPart>): SessionPart {
  return { ...KEY, generation: 1, received: 0, handed: 0, lookup: 'new', ...changes }
}

/** A client whose session has begun. */
function begun(): Session {
  const session = new Session()
  session.request()
  session.judge(answerOf({}))
  return session
}

describe('Session', () => {
  it('asks for a new one with an id of zeros, generation 1 and counts of 0', () => {
    const session = new Session()
    expect(session.request()).to.deep.equal({
      id: Buffer.alloc(16),
      epoch: Buffer.alloc(8),
      generation: 1,
      received: 0,
      handed: 0,
      lookup: 'request'
    })
    expect(session.isAgreed).to.equal(false)
  })

  it('asks a second time for a new one when the first dial failed, with a larger generation', () => {
    const session = new Session()
    session.request()
    const second = session.request()
    expect(second.generation).to.equal(2)
    expect(second.id.equals(Buffer.alloc(16))).to.equal(true)
  })

  it('takes the id that the server made, and asks for it with each later dial and where it stands', () => {
    const session = begun()
    expect(session.isAgreed).to.equal(true)
    session.received = 5
    session.handed = 4
    expect(session.request()).to.deep.equal({
      ...KEY,
      generation: 2,
      received: 5,
      handed: 4,
      lookup: 'request'
    })
    expect(session.judge(answerOf({ generation: 2, lookup: 'resumed', received: 3, handed: 3 }))).to.equal(
      null
    )
  })

  for (const lookup of ['unknown', 'expired', 'outrun', 'identity'] as const) {
    it(`is lost when the server answers ${lookup}`, () => {
      const session = begun()
      session.request()
      expect(session.judge(answerOf({ id: OTHER, generation: 2, lookup }))).to.equal(lookup)
    })
  }

  const wrongAnswers: [string, Partial<SessionPart>][] = [
    ['an answer to another dial', { generation: 1, lookup: 'resumed' }],
    ['a new session instead of the one asked for', { generation: 2, lookup: 'new' }],
    ['another id under the name of this session', { generation: 2, lookup: 'resumed', id: OTHER }],
    [
      'another epoch under the name of this session',
      { generation: 2, lookup: 'resumed', epoch: Buffer.alloc(8) }
    ]
  ]
  for (const [what, changes] of wrongAnswers) {
    it(`refuses ${what}`, () => {
      const session = begun()
      session.request()
      expect(() => session.judge(answerOf(changes)))
        .to.throw('Cannot resume the session')
        .with.property('code', 'ERR_PROTOCOL')
    })
  }

  it('refuses a session that goes on when a new one was asked for', () => {
    const session = new Session()
    session.request()
    expect(() => session.judge(answerOf({ lookup: 'resumed' }))).to.throw('not asked for')
  })

  it('refuses a peer that has received more than was sent, or has handed less than it said before', () => {
    const session = begun()
    session.deliveries.acknowledge(4)
    const fault = (received: number, handed: number) => session.faultOf(answerOf({ received, handed }), 7)
    expect(fault(8, 4)?.message).to.include('8 tokens were received, and 7 were sent')
    expect(fault(7, 3)?.message).to.include('3 tokens were handed, and 4 before')
    expect(fault(7, 4)).to.equal(null)
    expect(fault(4, 4)).to.equal(null)
  })

  it('answers as a server with its own counts and the generation of the newest dial', () => {
    const session = new Session()
    session.begin(KEY, 3)
    session.received = 2
    expect(session.answer('new')).to.include({ generation: 3, received: 2, lookup: 'new' })
    session.advance(9)
    expect(session.answer('resumed').generation).to.equal(9)
  })
})
