import { expect } from 'chai'
import { SessionStore } from '../../lib/server/session-store'
import type { SessionPart } from '../../lib/wire/hello'

interface Owner {
  readonly name: string
}

const CAPS = { maxSessions: 4, maxSessionsPerIdentity: 2 }

/** A registry and the requests of the clients that hold its sessions. */
class Server {
  readonly sessions = new SessionStore<Owner>(CAPS)
  readonly evicted: string[] = []
  readonly requests = new Map<string, SessionPart>()
  readonly owners = new Map<string, Owner>()

  add(name: string, identity = 'alice'): boolean {
    const leaving = this.sessions.whoMakesRoom(identity)
    if (leaving === null) return false
    for (const owner of leaving) {
      this.evicted.push(owner.name)
      this.sessions.remove(owner, true)
    }
    const owner = { name }
    const key = this.sessions.add(owner, identity, 1)
    this.owners.set(name, owner)
    this.requests.set(name, { ...key, generation: 2, received: 0, handed: 0, lookup: 'request' })
    return true
  }

  owner(name: string): Owner {
    return this.owners.get(name) as Owner
  }

  find(name: string, identity = 'alice', changes: Partial<SessionPart> = {}) {
    return this.sessions.find({ ...(this.requests.get(name) as SessionPart), ...changes }, identity)
  }
}

describe('SessionStore', () => {
  it('takes an id of zeros for the wish of a new session', () => {
    const server = new Server()
    server.add('one')
    expect(server.find('one', 'alice', { id: Buffer.alloc(16), epoch: Buffer.alloc(8) })).to.deep.equal({
      is: 'absent',
      reason: 'new'
    })
  })

  it('finds a session for its identity with a newer dial only', () => {
    const server = new Server()
    server.add('one')
    expect(server.find('one')).to.deep.equal({ is: 'present', owner: { name: 'one' } })
    expect(server.find('one', 'alice', { generation: 1 })).to.deep.equal({ is: 'outdated' })
    server.sessions.attached(server.owner('one'), 7)
    expect(server.find('one', 'alice', { generation: 7 })).to.deep.equal({ is: 'outdated' })
    expect(server.find('one', 'alice', { generation: 8 })).to.include({ is: 'present' })
  })

  it('gives a stolen id to nobody of another identity, and leaves the session to its owner', () => {
    const server = new Server()
    server.add('one')
    expect(server.find('one', 'mallory')).to.deep.equal({ is: 'absent', reason: 'identity' })
    expect(server.find('one')).to.include({ is: 'present' })
  })

  it('does not know an id of another life of the server', () => {
    const server = new Server()
    server.add('one')
    const later = new Server()
    later.add('one')
    const request = server.requests.get('one') as SessionPart
    expect(later.sessions.find(request, 'alice')).to.deep.equal({ is: 'absent', reason: 'unknown' })
  })

  it('says expired of a session that ended by time, and unknown of one that ended in order', () => {
    const server = new Server()
    server.add('one')
    server.add('two')
    server.sessions.remove(server.owner('one'), true)
    server.sessions.remove(server.owner('two'), false)
    expect(server.find('one')).to.deep.equal({ is: 'absent', reason: 'expired' })
    expect(server.find('two')).to.deep.equal({ is: 'absent', reason: 'unknown' })
  })

  it('remembers only as many expired ids as there may be sessions', () => {
    const server = new Server()
    for (let index = 0; index < 6; index++) {
      server.add(`session ${index}`)
      server.sessions.remove(server.owner(`session ${index}`), true)
    }
    expect(server.find('session 0')).to.include({ reason: 'unknown' })
    expect(server.find('session 5')).to.include({ reason: 'expired' })
    expect(server.sessions.size).to.equal(0)
  })

  it('evicts the one of the identity that has waited longest when the identity has too many', () => {
    const server = new Server()
    server.add('one')
    server.add('two')
    server.add('other', 'bob')
    for (const name of ['other', 'two', 'one']) server.sessions.detached(server.owner(name))
    expect(server.add('three')).to.equal(true)
    expect(server.evicted).to.deep.equal(['two'])
  })

  it('has no room when the sessions of the identity are all in use', () => {
    const server = new Server()
    server.add('one')
    server.add('two')
    expect(server.add('three')).to.equal(false)
    expect(server.evicted).to.deep.equal([])
  })

  it('evicts the one of all that has waited longest when there are too many', () => {
    const server = new Server()
    for (const name of ['one', 'two', 'three', 'four']) server.add(name, name)
    server.sessions.detached(server.owner('three'))
    server.sessions.detached(server.owner('one'))
    server.sessions.attached(server.owner('three'), 2)
    server.sessions.detached(server.owner('three'))
    expect(server.sessions.waiting.size).to.equal(2)
    expect(server.add('five', 'five')).to.equal(true)
    expect(server.evicted).to.deep.equal(['one'])
    expect(server.find('one', 'one')).to.include({ reason: 'expired' })
    expect(server.sessions.size).to.equal(4)
  })
})
