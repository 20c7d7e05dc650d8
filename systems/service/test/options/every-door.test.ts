import { expect } from 'chai'
import { createBus, createService, HttpDoor, Loggly, ServiceError } from '../../lib'

/** As a program in JavaScript writes them. */
type Options = Readonly<Record<string, unknown>>

describe('The options of', () => {
  async function expectRefused(use: () => unknown, name: string): Promise<void> {
    const error = await Promise.resolve()
      .then(use)
      .catch((reason: unknown) => reason)
    expect(error, name).to.be.instanceOf(ServiceError)
    expect(error).to.have.property('code', 'ERR_OPTION')
    expect((error as ServiceError).message).to.include(name)
  }

  const doors: readonly (readonly [
    name: string,
    use: (options: Options) => unknown,
    wrong: readonly Options[]
  ])[] = [
    [
      'createBus',
      options => createBus({ name: 'a', ...options } as never),
      [
        { name: undefined },
        { name: 5 },
        { nmae: 'a' },
        { url: 5 },
        { hub: {} },
        { log: 'x' },
        { maxMessageBytes: 'a' },
        { maxMessageBytes: -1 },
        { maxQueueBytes: Number.NaN },
        { maxQueueBytes: Number.POSITIVE_INFINITY }
      ]
    ],
    [
      'Loggly',
      options => new Loggly({ token: 'a', ...options } as never),
      [
        { token: 5 },
        { tag: 'a' },
        { tags: 'a' },
        { url: 'x' },
        { maxTries: 'x' },
        { maxTries: 0 },
        { gatherTime: 2 ** 31 },
        { requestTimeout: 0 },
        { retryDelay: -1 },
        { maxQueueLength: '1' }
      ]
    ],
    [
      'HttpDoor',
      options => new HttpDoor(options as never),
      [
        { fetch: 5 },
        { fech: () => {} },
        { onError: 'x' },
        { admit: true },
        { routes: {} },
        { limits: 5 },
        { limits: { headersTimeout: 'x' } },
        { limits: { maxHeadrs: 1 } },
        { webSockets: { '/a': {} } },
        { webSockets: { '/a': { onConnection: () => {}, origins: 5 } } },
        { webSockets: { '/a': { onConnection: () => {}, maxPayloadBytes: '1' } } }
      ]
    ],
    [
      'createService',
      options => createService({ name: 'a', signals: false, ...options } as never),
      [
        { name: undefined },
        { config: 5 },
        { notices: 'x' },
        { defaultPort: '0x' },
        { tokens: 5 },
        { protocols: 5 },
        { protocols: { 'http/1.1': { handler() {} } } },
        { http: 5 },
        { http: { fetch: 5 } },
        { http: { clientCertificate: 'never' } },
        { http: { routes: new Map() } },
        { htp: {} },
        { admin: {} },
        { hosts: 'a' },
        { prepare: 5 },
        { loggly: 5 },
        { logTo: {} },
        { bus: {} },
        { metrics: {} },
        { signals: 'no' }
      ]
    ]
  ]
  for (const [door, use, wrong] of doors)
    it(`${door} are refused by their names, and so are none at all`, async () => {
      for (const options of wrong) {
        const [name, value] = Object.entries(options)[0] as [string, unknown]
        const isNested = ['http', 'limits', 'webSockets'].includes(name) && typeof value === 'object'
        await expectRefused(() => use(options), isNested ? (Object.keys(value as object)[0] as string) : name)
      }
    })
})
