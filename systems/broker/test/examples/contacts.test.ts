import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { needProgram, Program } from '@token-server/test-helpers'
import { expect } from 'chai'
import { TestServer } from '../helpers/running-broker'
import { connack, deviceToken, handlerToken, until } from '../helpers/test-broker'

const EXAMPLE = join(__dirname, '../../../examples/contacts/contacts.cjs')

/** The people of the seed. */
const FIRST = '68946'
const SECOND = '23412'

interface Heard {
  readonly topic: string
  readonly payload: unknown
}

/** A phone of one user: it subscribes to one topic, publishes, and hears. */
interface Phone {
  readonly heard: Heard[]
  publish(topic: string, payload: object): Promise<void>
  stop(): Promise<void>
}

type MakePhone = (server: TestServer, user: string, topic: string) => Promise<Phone>

const byMqttJs: MakePhone = async (server, user, topic) => {
  const client = server.dial(await deviceToken(user))
  await connack(client)
  const heard: Heard[] = []
  client.on('message', (on, payload) => heard.push({ topic: on, payload: JSON.parse(payload.toString()) }))
  await client.subscribeAsync(topic, { qos: 1 })
  return {
    heard,
    publish: async (to, payload) => void (await client.publishAsync(to, JSON.stringify(payload), { qos: 1 })),
    stop: async () => await client.endAsync()
  }
}

const byMosquitto: MakePhone = async (server, user, topic) => {
  const ca = join(server.folder, 'certs/ca/ca.crt')
  const login = [
    '-h',
    'localhost',
    '-p',
    String(server.port),
    '--cafile',
    ca,
    '-u',
    'JWT',
    '-P',
    await deviceToken(user)
  ]
  const subscriber = new Program('mosquitto_sub', [...login, '-q', '1', '-t', topic, '-F', '%t %p'], '/')
  await until('it has subscribed', () => {
    return server.log.split('\n').some(line => line.includes('"subscribed"') && line.includes(`"${topic}"`))
  })
  return {
    get heard() {
      const lines = subscriber.stdout.split('\n').filter(line => line !== '')
      return lines.map(line => {
        const space = line.indexOf(' ')
        return { topic: line.slice(0, space), payload: JSON.parse(line.slice(space + 1)) }
      })
    },
    publish: async (to, payload) => {
      const publisher = new Program(
        'mosquitto_pub',
        [...login, '-q', '1', '-t', to, '-m', JSON.stringify(payload)],
        '/'
      )
      const { code, stderr } = await publisher.ended
      expect(code, stderr).to.equal(0)
    },
    stop: async () => {
      subscriber.kill()
      await subscriber.ended
    }
  }
}

describe('The example contacts', () => {
  for (const via of ['the token door', 'mqtt']) {
    for (const [devices, makePhone] of [
      ['MQTT.js', byMqttJs],
      ['mosquitto', byMosquitto]
    ] as const) {
      describe(`with handlers by ${via} and devices by ${devices}`, () => {
        let server: TestServer
        let handlers: Program
        let phones: Phone[] = []

        before(async function () {
          this.timeout(30_000)
          if (devices === 'mosquitto') needProgram(this, 'mosquitto_sub', 'mosquitto-clients')
          server = await TestServer.start()
          handlers = new Program(process.execPath, [EXAMPLE], server.folder, {
            PATH: process.env.PATH,
            PORT: String(server.port),
            CERTS_DIR: join(server.folder, 'certs'),
            CONTACTS_FILE: join(server.folder, 'contacts.json'),
            ...(via === 'mqtt' ? { VIA: 'mqtt', TOKEN: await handlerToken('contacts') } : {})
          })
          await handlers.printed('handling accept_contact, get_contact_list, request_contact')
        })
        afterEach(async () => {
          for (const phone of phones) await phone.stop()
          phones = []
        })
        after(async () => {
          if (server === undefined) return // skipped
          handlers.kill()
          const { code, stderr } = await handlers.ended
          await server.stop()
          expect(code, stderr).to.equal(0)
        })

        async function phone(user: string, topic: string): Promise<Phone> {
          const made = await makePhone(server, user, topic)
          phones.push(made)
          return made
        }

        /** By the token door its certificate says who it is, by MQTT its token. */
        const handler = via === 'mqtt' ? 'handler:handler-contacts' : 'handler:client'

        function stored() {
          const file = join(server.folder, 'contacts.json')
          return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { requests: {}, contacts: {} }
        }

        it('adds a contact in the 19 lines of the scenario, each by whom, on which topic and in which order', async () => {
          const spoken: object[] = []
          // What the store has when a message passes the broker: the handlers write before they publish.
          const stop = server.running.broker.subscribe('#', ({ topic, payload, sender }) => {
            spoken.push({ topic, payload: JSON.parse(payload.toString()), by: sender?.id, stored: stored() })
          })

          // 1 to 4: the handlers subscribe to request_contact and accept_contact, each device to its own topic.
          const first = await phone(FIRST, `${FIRST}_contact_approved`)
          const second = await phone(SECOND, `${SECOND}_contact_requested`)
          expect(logged(server)).to.have.members([
            `${handler} subscribes to accept_contact`,
            `${handler} subscribes to get_contact_list`,
            `${handler} subscribes to request_contact`,
            `user:${FIRST} subscribes to ${FIRST}_contact_approved`,
            `user:${SECOND} subscribes to ${SECOND}_contact_requested`
          ])

          // 5, 6: the first user adds a contact. The device claims to be somebody else: the broker has verified who it is.
          await first.publish('request_contact', { user_id: '1', contact: SECOND })
          // 7 to 11: the broker passes it on, the handler receives it, stores the request, publishes, and the broker passes that on.
          await handlers.printed(`request_contact from ${FIRST}\n`)
          // 12: the second device receives it.
          await until('the other phone hears of it', () => second.heard.length === 1)
          expect(second.heard).to.deep.equal([
            { topic: `${SECOND}_contact_requested`, payload: { from: FIRST } }
          ])
          expect(first.heard).to.deep.equal([])

          // 13: the second user accepts.
          await second.publish('accept_contact', { contact: FIRST })
          // 14 to 18: likewise; the handler makes a contact of the request.
          await handlers.printed(`accept_contact from ${SECOND}\n`)
          // 19: the first device receives it.
          await until('the first phone hears of it', () => first.heard.length === 1)
          expect(first.heard).to.deep.equal([
            { topic: `${FIRST}_contact_approved`, payload: { contact: SECOND } }
          ])
          expect(second.heard).to.have.lengthOf(1)
          stop()

          expect(logged(server).slice(5)).to.deep.equal([
            `user:${FIRST} publishes to request_contact`,
            `${handler} publishes to ${SECOND}_contact_requested`,
            `user:${SECOND} publishes to accept_contact`,
            `${handler} publishes to ${FIRST}_contact_approved`
          ])
          const nothing = { requests: {}, contacts: {} }
          const requested = { requests: { [SECOND]: [FIRST] }, contacts: {} }
          const approved = {
            requests: { [SECOND]: [] },
            contacts: { [SECOND]: [FIRST], [FIRST]: [SECOND] }
          }
          const passed = (topic: string, payload: object, by: string, stored: object) => {
            return { topic, payload, by, stored }
          }
          const id = handler.slice('handler:'.length)
          expect(spoken).to.deep.equal([
            passed('request_contact', { user_id: FIRST, contact: SECOND }, FIRST, nothing),
            passed(`${SECOND}_contact_requested`, { from: FIRST }, id, requested),
            passed('accept_contact', { user_id: SECOND, contact: FIRST }, SECOND, requested),
            passed(`${FIRST}_contact_approved`, { contact: SECOND }, id, approved)
          ])
        })

        it('gives the list of contacts to whom it belongs', async () => {
          const first = await phone(FIRST, `${FIRST}_contact_list`)
          await first.publish('get_contact_list', {})
          await until('the list comes', () => first.heard.length === 1)
          expect(first.heard).to.deep.equal([{ topic: `${FIRST}_contact_list`, payload: [SECOND] }])
        })

        it('puts what can not be done to the dead letters: a contact that nobody has asked for', async () => {
          const letters: unknown[] = []
          const stop = server.running.broker.subscribe('dead_accept_contact', ({ payload, sender }) => {
            letters.push({ letter: JSON.parse(payload.toString()), by: sender?.kind })
          })
          const stranger = await phone('5', '5_contact_requested')
          await stranger.publish('accept_contact', { contact: FIRST })
          await until('the dead letter is there', () => letters.length === 1)
          stop()
          const [{ letter, by }] = letters as [
            { letter: { sender: { id: string }; why: string }; by: string }
          ]
          expect({ who: letter.sender.id, why: letter.why, by }).to.deep.equal({
            who: '5',
            why: 'nobody has asked',
            by: 'handler'
          })
          expect(stored().contacts).not.to.have.property('5')
        })
      })
    }
  }
})

/** Who has subscribed and published to what, in the order of the broker's log. */
function logged(server: TestServer): string[] {
  return server.log.split('\n').flatMap(line => {
    if (line === '') return []
    const { msg, user, topic, topics } = JSON.parse(line)
    if (msg === 'published') return [`${user} publishes to ${topic}`]
    if (msg === 'subscribed') return topics.map((granted: Heard) => `${user} subscribes to ${granted.topic}`)
    return []
  })
}
