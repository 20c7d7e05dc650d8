import { closesWhatItOpened, isLong, numbersFrom } from '@token-server/test-helpers'
import { expect } from 'chai'
import { DOORS, enter, type Guest } from '../helpers/guest'
import { deviceToken, until } from '../helpers/test-broker'
import { TestDoor } from '../helpers/test-door'

const DEVICES = 20
const FILTERS = 50
const TOPICS = 100
const ROUNDS = isLong ? 10 : 1

const IDS = ['1', '12', '2', 'ab', 'a1', '\u00e9', 'me']
const SEGMENTS = [...IDS, 'e\u0301', 'users', 'you', '..', '', 'ME', '$SYS', '$share', 'g', 'x']
const WILDCARDS = ['+', '#', '+', '#']

interface Device {
  readonly id: string
  readonly guest: Guest
  readonly filters: string[]
  /** Of its token. undefined: what is below its id. */
  patterns: readonly string[] | undefined
}

describe('B9: what devices may not read', () => {
  closesWhatItOpened()
  let door: TestDoor

  beforeEach(async () => {
    door = await TestDoor.start({ broker: { limits: { maxConnectionsPerDevice: 100 } } })
  })

  for (const by of DOORS) {
    it(`is refused, and not delivered by what is granted: ${by}`, async () => {
      const guest = (await enter(door, by, await deviceToken('me'))) as Guest
      for (const filter of [
        '#',
        '+',
        '+/#',
        '+/x',
        'users/+/x',
        '$SYS/#',
        '$share/g/#',
        '$share/g/me/#',
        'users/me/../you',
        'users/me//',
        'me_x',
        'users/ME',
        'ME/#',
        'm\u0435/#', // Cyrillic
        '\uff4d\uff45/#', // full width
        'me\u200b/#',
        'you/#',
        '/me/#',
        '$token'
      ]) {
        expect(await guest.subscribe(filter), filter).to.equal(false)
      }
      for (const filter of ['me/#', 'me/+/x', 'me/../you', 'me//'])
        expect(await guest.subscribe(filter), filter).to.equal(true)
      for (const topic of [
        'you/x',
        'ME/x',
        'users/me/x',
        'me',
        'me_x',
        '$SYS/me/x',
        'me/../you',
        'me/a/x',
        'me/end'
      ]) {
        await door.test.broker.publish({ topic, payload: 'x', qos: 1 })
      }
      await until('the end comes', () => guest.received.some(({ topic }) => topic === 'me/end'))
      expect(guest.received.map(({ topic }) => topic)).to.deep.equal(['me/../you', 'me/a/x', 'me/end'])
    })

    it(`never reaches them, for 100,000 random pairs of filter and topic: ${by}`, async function () {
      this.timeout(60_000 * ROUNDS)
      let delivered = 0
      // One seed of seven hundred has hardly a filter that is granted and a topic that it matches: then another follows.
      for (let round = 0; round < ROUNDS || (delivered <= 20 && round < ROUNDS + 5); round++) {
        const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32)) + round
        try {
          delivered += await play(seed)
        } catch (error) {
          throw new Error(`SEED=${seed}`, { cause: error })
        }
      }
      expect(delivered, 'something is delivered').to.be.greaterThan(20)
    })

    /** @returns how many messages were delivered */
    async function play(seed: number): Promise<number> {
      const next = numbersFrom(seed)
      const pick = <T>(of: readonly T[]) => of[next() % of.length] as T
      const text = (segments: readonly string[]) => {
        const levels = Array.from({ length: 1 + (next() % 4) }, () => pick(segments))
        return levels.reduce((all, level) => all + (next() % 4 === 0 ? '_' : '/') + level)
      }
      const some = (valid: (candidate: string) => boolean, of: () => string): string => {
        for (;;) {
          const candidate = of()
          if (valid(candidate)) return candidate
        }
      }
      const filterOf = (id: string) =>
        some(isFilter, () => (next() % 2 === 0 ? `${id}/` : '') + text([...SEGMENTS, ...WILDCARDS]))
      const topicsOf = () =>
        Array.from({ length: TOPICS }, () =>
          some(isTopic, () => (next() % 2 === 0 ? `${pick(IDS)}/` : '') + text(SEGMENTS))
        )
      const patternsOf = (id: string) =>
        next() % 2 === 0 ? undefined : Array.from({ length: 3 }, () => filterOf(id)).concat(`${id}/end/#`)

      const { broker } = door.test
      for (const [at, topic] of topicsOf().entries())
        await broker.publish({ topic, payload: `retained ${at}`, qos: 1, retain: true })
      const devices: Device[] = []
      for (let number = 0; number < DEVICES; number++) {
        const id = pick(IDS)
        const patterns = patternsOf(id)
        const guest = (await enter(door, by, await deviceToken(id, { subscribe: patterns }))) as Guest
        const wanted = [
          ...new Set(Array.from({ length: FILTERS }, () => filterOf(id))),
          `${id}/end/${number}`
        ]
        const answers = await Promise.all(wanted.map(filter => guest.subscribe(filter)))
        devices.push({ id, guest, patterns, filters: wanted.filter((_, filter) => answers[filter]) })
      }
      const isTheirs = ({ id, patterns }: Device, topic: string) =>
        patterns === undefined
          ? isBelow(id, topic)
          : patterns.some(pattern => matchesByLevels(pattern, topic))

      /** Publishes, and waits until all have come that will. @returns the topics */
      const publishAll = async (name: string) => {
        const topics = topicsOf()
        for (const [at, topic] of topics.entries())
          await broker.publish({ topic, payload: `${name} ${at}`, qos: 1 })
        for (const [number, { id }] of devices.entries())
          await broker.publish({ topic: `${id}/end/${number}`, payload: name, qos: 1 })
        for (const [number, { id, guest }] of devices.entries())
          await until('the end comes', () =>
            guest.received.some(({ topic, payload }) => topic === `${id}/end/${number}` && payload === name)
          )
        for (const device of devices)
          for (const { topic, payload } of device.guest.received)
            if (payload.startsWith(name) && !isTheirs(device, topic))
              throw new Error(`${device.id} ${device.patterns} ${device.filters} got ${topic} as ${payload}`)
        return topics
      }

      const topics = await publishAll('live')
      let delivered = 0
      for (const device of devices) {
        const expected = topics
          .map((topic, at) => ({ topic, payload: `live ${at}` }))
          .filter(
            ({ topic }) =>
              isTheirs(device, topic) && device.filters.some(filter => matchesByLevels(filter, topic))
          )
        const got = device.guest.received
          .filter(({ payload }) => payload.startsWith('live '))
          .map(({ topic, payload }) => ({ topic, payload }))
        expect(got, `${device.id} ${device.filters}`).to.deep.equal(expected)
        delivered += got.length
        for (const { topic, payload } of device.guest.received)
          if (payload.startsWith('retained ') && !isTheirs(device, topic))
            throw new Error(`${device.id} got ${topic}, retained`)
      }

      // What a fresh token does not grant ends, whatever was subscribed to.
      for (const device of devices) {
        device.patterns = patternsOf(device.id)
        expect(
          await device.guest.renew(await deviceToken(device.id, { subscribe: device.patterns }))
        ).to.equal(true)
      }
      await publishAll('renewed')
      return delivered
    }
  }
})

/** The rule, written apart from lib/: the topic continues the id by `_` or `/`, or is the id; for an id of letters by `/` only. */
function isBelow(id: string, topic: string): boolean {
  if (!topic.startsWith(id)) return false
  const rest = topic.slice(id.length)
  if (/^[a-z]+$/i.test(id)) return rest[0] === '/'
  return rest === '' || rest[0] === '_' || rest[0] === '/'
}

function isTopic(text: string): boolean {
  return text !== ''
}

function isFilter(text: string): boolean {
  return (
    text !== '' &&
    text
      .split('/')
      .every(
        (level, at, all) => level === '+' || (level === '#' && at === all.length - 1) || !/[+#]/.test(level)
      )
  )
}

/** From the standard, and apart from lib/wire/topics.ts: a filter as a regular expression. */
function matchesByLevels(filter: string, topic: string): boolean {
  if (topic.startsWith('$') && !filter.startsWith('$')) return false
  const source = filter
    .split('/')
    .map(level =>
      level === '+' ? '[^/]*' : level === '#' ? '.*' : level.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    )
    .join('/')
  const pattern = source.endsWith('/.*') ? `${source.slice(0, -3)}(/.*)?` : source
  return new RegExp(`^${pattern}$`, 'su').test(topic)
}
