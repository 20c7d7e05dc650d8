import { closesWhatItOpened, onCleanUp } from '@token-server/test-helpers'
import { expect } from 'chai'
import { Client, KeyRing, RemoteError, Server } from '../../lib'
import { Client as BrowserClient } from '../../lib/browser'
import { nodeSuite } from '../../lib/sealing/node-suite'

const KEY = 'a key in words'

/** Of what throws, or rejects. */
async function messageOf(use: () => unknown): Promise<string> {
  try {
    await use()
  } catch (error) {
    expect(error).to.be.instanceOf(RemoteError)
    expect((error as RemoteError).code).to.equal('invalid')
    return (error as RemoteError).message
  }
  return 'it was taken'
}

/** As a program in JavaScript writes them. */
type Options = Readonly<Record<string, unknown>>

describe('Options', () => {
  closesWhatItOpened()

  const doors: Readonly<Record<string, (options: Options) => unknown>> = {
    server: options => new Server(options as never),
    client: options => new Client(options as never),
    browser: options => new BrowserClient(options as never),
    host: options => new Server().host(() => 1, KEY, options as never),
    hostMiddleware: options =>
      new Server().hostMiddleware('wss://127.0.0.1:1', () => 1, KEY, options as never),
    close: options => new Server().close(options as never),
    send: options => new Client().send('event', 1, options as never),
    state: options => new Client().state(options as never)
  }

  const misspelt: readonly [door: string, given: string, meant: string][] = [
    ['server', 'concurent', 'concurrent'],
    ['server', 'handlertimeout', 'handlerTimeout'],
    ['server', 'key', 'keys'],
    ['client', 'timeOut', 'timeoutLength'],
    ['client', 'timeoutLenght', 'timeoutLength'],
    ['client', 'JWT', 'jwt'],
    ['browser', 'websocket', 'WebSocket'],
    ['host', 'prot', 'port'],
    ['host', 'tsl', 'tls'],
    ['hostMiddleware', 'conectTimeout', 'connectTimeout'],
    ['close', 'timeoutLength', ''],
    ['send', 'timeOut', 'timeout'],
    ['state', 'onprogress', 'onProgress'],
    ['server', 'colour', '']
  ]
  it('that nobody knows are refused by their name, with the one that was meant', async () => {
    for (const [door, given, meant] of misspelt) {
      const hint = meant === '' ? '' : `: did you mean ${meant}?`
      expect(await messageOf(() => doors[door]?.({ [given]: 1 })), door).to.equal(
        `Cannot use the option ${given}: because there is none of this name${hint}`
      )
    }
  })

  const wrong: readonly [door: string, options: Options, why: string][] = [
    ['server', { handlerTimeout: '500ms' }, 'no number of milliseconds from 1 to 2147483647'],
    ['server', { handlerTimeout: Number.POSITIVE_INFINITY }, 'no number of milliseconds'],
    ['server', { closeTimeout: -1 }, 'no number of milliseconds from 0'],
    ['server', { maxQueuedCommands: 'many' }, 'no whole number from 1'],
    ['server', { maxMessageBytes: 0.5 }, 'no whole number from 1'],
    ['server', { concurrent: 'on' }, 'neither true nor false, and no list of texts'],
    ['server', { watch: 'yes' }, 'neither true nor false'],
    ['server', { approve: true }, 'no function'],
    ['server', { language: 'xx' }, 'not one of'],
    ['server', { name: 'x'.repeat(65) }, 'no text of at most 64 characters'],
    ['server', { keys: 'folder' }, 'no object'],
    ['client', { timeoutLength: Number.NaN }, 'no number of milliseconds from 1'],
    ['client', { maxPending: 0 }, 'no whole number from 1'],
    ['client', { jwt: 7 }, 'no text, and no function'],
    ['client', { url: new URL('ws://a') }, 'no text'],
    ['client', { tls: { cert: 'secret words' } }, 'refused by TLS'],
    ['browser', { fetch: 'fetch' }, 'no function'],
    ['browser', { maxPending: '7' }, 'no whole number'],
    ['host', { port: '8080' }, 'no whole number from 0 to 65535'],
    ['host', { origins: 'https://secret' }, 'not one of *, and no list of texts'],
    ['hostMiddleware', { jwt: {} }, 'no text, and no function'],
    ['hostMiddleware', { tls: { cert: 'secret', key: 'secret' } }, 'refused by TLS'],
    ['close', { timeout: '5s' }, 'no number of milliseconds from 0'],
    ['send', { timeout: 0 }, 'no number of milliseconds from 1'],
    ['send', { ifRev: 'last' }, 'no whole number from 0'],
    ['send', { signal: new AbortController() }, 'no AbortSignal'],
    ['send', { onProgress: 'bar' }, 'no function']
  ]
  it('of which a value can not be one are refused by their name, without the value', async () => {
    for (const [door, options, why] of wrong) {
      const [name] = Object.keys(options)
      const message = await messageOf(() => doors[door]?.(options))
      expect(message.startsWith(`Cannot use the option ${name}: because it is ${why}`), message).to.equal(
        true
      )
      expect(message).to.not.match(/secret|500ms/)
    }
  })

  it('in options are named with those around them', async () => {
    expect(await messageOf(() => new Client({ limits: { maxFramesBytes: 1 } as never }))).to.equal(
      'Cannot use the option limits.maxFramesBytes: because there is none of this name: did you mean maxFrameBytes?'
    )
    expect(await messageOf(() => new Server({ memory: { maxAge: '5m' } as never }))).to.match(
      /^Cannot use the option memory\.maxAge: because it is no number/
    )
    expect(await messageOf(() => new Server({ keys: { foldr: '/tmp' } as never }))).to.match(
      /^Cannot use the option keys\.foldr: .* did you mean folder\?$/
    )
    expect(await messageOf(() => new Server({ limits: 7 as never }))).to.equal(
      'Cannot use the option limits: because it is no object'
    )
    expect(await messageOf(() => new Server('lamp' as never))).to.equal(
      'Cannot use the options: because it is no object'
    )
  })

  it('that are good, or undefined, are taken', async () => {
    const ring = await KeyRing.open({ suite: nodeSuite() })
    onCleanUp(() => ring.close())
    const good = {
      name: undefined,
      keys: ring,
      concurrent: ['on'],
      state: { value: 7 },
      limits: { heartbeat: 1_000 },
      closeTimeout: 0
    }
    expect(new Server(good)).to.be.instanceOf(Server)
    expect(new Client({ jwt: () => 'token', url: undefined })).to.be.instanceOf(Client)
    expect(await messageOf(() => ring.invite({ liftime: 1 } as never))).to.match(/did you mean lifetime\?$/)
  })
})
