import type { Identity, IdentityKind } from '@token-server/identity'
import { expect } from 'chai'
import fc from 'fast-check'
import { grantsOf } from '../../lib/authorization/grants'
import { ownerOf } from '../../lib/authorization/owner-of'
import { isTopicFilter } from '../../lib/wire/topics'

function identity(kind: IdentityKind, id: string, more: Partial<Identity> = {}): Identity {
  return { kind, id, expiresAt: Number.MAX_SAFE_INTEGER, ...more }
}

const device = grantsOf(identity('device', '68946'))
const handler = grantsOf(identity('handler', 'h'))
const admin = grantsOf(identity('admin', 'root'))

describe('Topics have one owner', () => {
  it('which is the first segment, that "_" or "/" ends', () => {
    for (const topic of ['68946_contact_list', '68946/contacts/7', '68946', '68946_a/b', '68946/a_b']) {
      expect(ownerOf(topic), topic).to.deep.equal({ kind: 'user', id: '68946' })
    }
    expect(ownerOf('alice/x')).to.deep.equal({ kind: 'user', id: 'alice' })
    for (const topic of ['request_contact', 'ping', 'get_list/2', '_x', '/x', '$SYS/x', '$token']) {
      expect(ownerOf(topic).kind, topic).not.to.equal('user')
    }
  })
})

describe('A device', () => {
  it('may subscribe below its own id, with wildcards there', () => {
    for (const filter of ['68946_contacts', '68946/contacts', '68946/#', '68946/+/x', '68946_x/#', '68946']) {
      expect(device.whyNotSubscribe(filter), filter).to.equal(undefined)
    }
  })

  it('B9: may subscribe to nothing else, by whatever wildcard or look-alike', () => {
    for (const filter of [
      '#',
      '+',
      '+/#',
      '+/x',
      '/#',
      'users/+/x',
      '$SYS/#',
      '$share/g/#',
      '$share/g/68946/x',
      '6894',
      '6894_x',
      '689461_x',
      '68946x/#',
      'users/me/../68946',
      '../68946/x',
      '/68946/x',
      ' 68946/x',
      '٦٨٩٤٦/x',
      '６８９４６/x',
      '68946\u200b/x',
      'request_contact',
      '23412_contact_requested'
    ]) {
      expect(device.whyNotSubscribe(filter), filter).to.be.a('string')
    }
    const mixed = grantsOf(identity('user', '\u00dcnique7'))
    expect(mixed.whyNotSubscribe('\u00fcnique7/x')).to.be.a('string')
    expect(mixed.whyNotSubscribe('U\u0308nique7/x')).to.be.a('string') // another normal form of the same text
    expect(mixed.whyNotSubscribe('\u00dcnique7/x')).to.equal(undefined)
  })

  it('may publish commands, and B10: to no user, not even itself, and not to "$"', () => {
    for (const topic of ['request_contact', 'get_apples', 'ping', 'getApples', 'get_list/2']) {
      expect(device.whyNotPublish(topic), topic).to.equal(undefined)
    }
    for (const topic of [
      '23412_x',
      '23412/x',
      '23412',
      '68946_x',
      '68946/x',
      'alice/x',
      '$SYS/x',
      '$x',
      '_x',
      '/x'
    ]) {
      expect(device.whyNotPublish(topic), topic).to.be.a('string')
    }
  })

  it('with an id of letters owns the form with "/" only, for the other one is a command', () => {
    const alice = grantsOf(identity('user', 'request'))
    expect(alice.whyNotSubscribe('request/x')).to.equal(undefined)
    expect(alice.whyNotSubscribe('request_contact')).to.be.a('string')
    expect(alice.mayReceive('request')).to.equal(false) // "request/#" would match it
  })

  it('has no topics with an id that would end a segment, or is empty', () => {
    for (const id of ['', 'a_b', 'a/b', '+', '#', '$SYS', 'a\u0000b', '1+']) {
      expect(grantsOf(identity('user', id)).whyNoTopics, id).to.be.a('string')
    }
    for (const id of ['1', 'alice', 'auth0|5f', 'f47ac10b-58cc', 'a@b.c']) {
      expect(grantsOf(identity('user', id)).whyNoTopics, id).to.equal(undefined)
    }
  })

  it('may publish further commands that the broker names, which then are no user', () => {
    const commands = ['contacts/#']
    const named = grantsOf(identity('user', '7'), commands)
    expect(named.whyNotPublish('contacts/add')).to.equal(undefined)
    expect(named.whyNotPublish('other/add')).to.be.a('string')
    expect(grantsOf(identity('user', 'contacts'), commands).whyNoTopics).to.be.a('string')
  })

  it('has what its token says in place of these rules, but nothing of "$"', () => {
    const limited = grantsOf(
      identity('device', '7', { publish: ['7/up/+', '$SYS/#'], subscribe: ['room/4/#', '#'] })
    )
    expect(limited.whyNotPublish('7/up/x')).to.equal(undefined)
    expect(limited.whyNotPublish('ping')).to.be.a('string')
    expect(limited.whyNotPublish('$SYS/x')).to.be.a('string')
    expect(limited.whyNotSubscribe('$SYS/#')).to.be.a('string')
    const room = grantsOf(identity('device', '7', { subscribe: ['room/4/#', 'a/+'] }))
    for (const filter of ['room/4', 'room/4/#', 'room/4/+/x', 'a/+', 'a/b']) {
      expect(room.whyNotSubscribe(filter), filter).to.equal(undefined)
    }
    for (const filter of ['room/#', 'room/+/x', 'a/#', '+/b', '7/x', '#']) {
      expect(room.whyNotSubscribe(filter), filter).to.be.a('string')
    }
  })
})

describe('A handler', () => {
  it('publishes and subscribes everywhere outside of "$"; an admin reads $SYS', () => {
    expect(handler.whyNotSubscribe('#')).to.equal(undefined)
    expect(handler.whyNotPublish('68946_x')).to.equal(undefined)
    for (const filter of ['$SYS/#', '$share/g/#', '$token']) {
      expect(handler.whyNotSubscribe(filter), filter).to.be.a('string')
      expect(handler.whyNotPublish(filter.replace('#', 'x')), filter).to.be.a('string')
    }
    expect(admin.whyNotSubscribe('$SYS/#')).to.equal(undefined)
    expect(admin.whyNotSubscribe('$share/g/#')).to.be.a('string')
    expect(admin.whyNotPublish('$SYS/x')).to.be.a('string')
  })

  it('is bound by the patterns of its token', () => {
    const bound = grantsOf(
      identity('handler', 'h', { publish: ['+/contacts'], subscribe: ['request_contact'] })
    )
    expect(bound.whyNotPublish('7/contacts')).to.equal(undefined)
    expect(bound.whyNotPublish('7/other')).to.be.a('string')
    expect(bound.whyNotSubscribe('request_contact')).to.equal(undefined)
    expect(bound.whyNotSubscribe('#')).to.be.a('string')
  })

  it('publishes below "$" what its token names, but never what is the broker\'s', () => {
    const named = grantsOf(
      identity('handler', 'h', { publish: ['#', '$metrics/#', '$SYS/#', '$token', '$share/#'] })
    )
    expect(named.whyNotPublish('$metrics/x')).to.equal(undefined)
    for (const topic of ['$SYS/x', '$SYS', '$token', '$share/g/x', '$other']) {
      expect(named.whyNotPublish(topic), topic).to.be.a('string')
    }
  })
})

describe('B9: whoever may subscribe to a filter', () => {
  const segment = fc.constantFrom(
    '1',
    '12',
    '2',
    'ab',
    'a1',
    '',
    '+',
    '#',
    '$SYS',
    '$share',
    '\u00e9',
    'e\u0301'
  )
  const text = fc
    .array(fc.tuple(segment, fc.constantFrom('/', '_')), { minLength: 1, maxLength: 4 })
    .map(parts => parts.flat().slice(0, -1).join(''))
  const id = fc.constantFrom('1', '12', 'ab', 'a1', '\u00e9')

  it('receives only topics of its own, for 100,000 filters and topics and an independent matcher', function () {
    this.timeout(60_000)
    let delivered = 0
    fc.assert(
      fc.property(id, text, text, fc.nat(3), (user, someFilter, someTopic, how) => {
        const filter = how & 1 ? `${user}/${someFilter}` : someFilter
        const topic = how & 2 ? `${user}/${someTopic}` : someTopic
        const grants = grantsOf(identity('device', user))
        if (!isTopicFilter(filter) || topic === '' || /[+#]/.test(topic)) return
        const isDelivered =
          grants.whyNotSubscribe(filter) === undefined &&
          matchesByLevels(filter, topic) &&
          grants.mayReceive(topic)
        if (!isDelivered) return
        delivered++
        // The rule, in other words: the topic continues the id by "_" or "/", or is the id.
        expect(new RegExp(`^${user}([_/].*)?$`, 'su').test(topic), `${user} ${filter} ${topic}`).to.equal(
          true
        )
        // And no device may publish it.
        expect(grantsOf(identity('device', '99')).whyNotPublish(topic)).to.be.a('string')
      }),
      { numRuns: 100_000 }
    )
    expect(delivered).to.be.greaterThan(300)
  })

  it('is granted what the owner of the filter says', () => {
    fc.assert(
      fc.property(id, text, (user, filter) => {
        const owner = ownerOf(filter)
        const isOwn = owner.kind === 'user' && owner.id === user
        expect(grantsOf(identity('device', user)).whyNotSubscribe(filter) === undefined).to.equal(isOwn)
      }),
      { numRuns: 20_000 }
    )
  })
})

/** Written from the standard, and apart from lib/wire/topics.ts. */
function matchesByLevels(filter: string, topic: string): boolean {
  if (topic[0] === '$' && filter[0] !== '$') return false
  const [first, ...rest] = filter.split('/')
  const [head, ...tail] = topic.split('/')
  if (first === '#') return true
  if (first !== '+' && first !== head) return false
  if (rest.length === 0) return tail.length === 0
  if (tail.length === 0) return rest.length === 1 && rest[0] === '#'
  return (
    matchesByLevels(rest.join('/'), tail.join('/')) ||
    (rest[0] === '+' && rest.length === 1 && tail.length === 1)
  )
}
