import { setImmediate } from 'node:timers/promises'
import { numbersFrom } from '@token-server/test-helpers'
import { FakeClock } from 'token-server/testing'
import { OnceCarrier } from '../../lib/client/once-carrier'
import { RemoteClient } from '../../lib/client/remote-client'
import { DeviceHub } from '../../lib/device/device-hub'
import type { DeviceHubOptions } from '../../lib/device/device-hub-options'
import { toBase64url } from '../../lib/encoding/base64url'
import type { RemoteError } from '../../lib/errors/remote-error'
import { nodeScrypt } from '../../lib/sealing/node-scrypt'
import type { SealingKey } from '../../lib/sealing/session'
import { onceFailure } from '../../lib/transport/once'
import { MemoryHost, newKey, suite, TestKeys } from '../helpers/device-and-client'
import { type Asked, faultsOf, follow } from './asked'

interface AskedOnce extends Asked {
  /** Its time is over, by the client's clock, with some room. */
  readonly end: number
  /** By the handler; else by the device itself. */
  readonly isCommand: boolean
}

/** A POST that waits for its answer. */
interface Post {
  readonly frame: Uint8Array
  readonly resolve: (answer: Uint8Array) => void
  readonly reject: (error: RemoteError) => void
}

const CLIENTS = 3
/** Each client has its own clock: posts at one moment of it, for each request that is not settled. */
const MAX_POSTS_AT_ONCE = 3

/**
 * Clients that keep no connection, and now and then one, a device, and somebody in between who keeps every frame and brings any of them
 * at any time. Clocks are set, machines sleep, the device starts anew and forgets, keys are replaced. One seed determines all of it but
 * the keys.
 */
export class OnceWorld {
  readonly asked: AskedOnce[] = []
  readonly counts = new Map<string, number>()
  readonly #faults: string[] = []
  /** How often the handler was called for a uid. */
  readonly #ran = new Map<number, number>()
  readonly #numbers: () => number
  readonly #clock = new FakeClock({ date: 1_800_000_000_000 })
  readonly #clocks: FakeClock[] = []
  readonly #clients: RemoteClient[] = []
  readonly #postsNow: { at: number; posts: number; requests: number }[] = []
  readonly #frames: Uint8Array[] = []
  readonly #answers = new Map<Uint8Array, Uint8Array[]>()
  readonly #posts = new Set<Post>()
  readonly #open: (() => void)[] = []
  #device!: Partial<DeviceHubOptions>
  #host!: MemoryHost
  #keys!: TestKeys
  #key = newKey()
  readonly #hubs: DeviceHub[] = []

  constructor(seed: number) {
    this.#numbers = numbersFrom(seed)
  }

  async run(steps: number): Promise<void> {
    await this.#begin()
    for (let step = 0; step < steps; step++) {
      this.#act()
      for (let turns = this.#below(6); turns > 0; turns--) await setImmediate()
    }
    await this.#calmDown()
  }

  /** What is not as it was promised. */
  faults(): string[] {
    const faults = [...this.#faults]
    for (const asked of this.asked) {
      const { uid, isCommand } = asked
      faults.push(...faultsOf(asked, isCommand ? { ran: this.#ran.get(uid) ?? 0, answer: uid } : undefined))
    }
    for (const [index, client] of this.#clients.entries())
      if (client.pending > 0) faults.push(`client ${index} has ${client.pending} requests in its table`)
    return faults
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.close()
    for (const hub of this.#hubs) await hub.close()
  }

  async #begin(): Promise<void> {
    const some = (...values: number[]) => values[this.#below(values.length)] as number
    this.#device = {
      concurrent: ['beside'],
      memory: {
        maxAge: some(1_000, 30_000, 300_000),
        maxClients: some(1, 2, 100),
        maxAnswers: some(1, 3, 100)
      },
      replays: { maxAge: some(500, 10_000, 120_000), maxRequests: some(2, 10, 1_000) }
    }
    this.#keys = await TestKeys.create(this.#key)
    // Each device that was killed stays there.
    this.#keys.setMaxListeners(0)
    this.#host = new MemoryHost(this.#newHub(), this.#keys.publicKey)
    for (let index = 0; index < CLIENTS; index++) {
      const clock = new FakeClock({ date: 1_800_000_000_000 + this.#below(1e8), now: this.#below(1e6) })
      this.#clocks.push(clock)
      const client = new RemoteClient(
        {
          suite,
          scrypt: nodeScrypt,
          dial: this.#host.dial,
          clock,
          random: () => 0.01 + (0.98 * this.#numbers()) / 2 ** 32,
          once: {
            post: (_, __, frame, signal) => this.#post(index, frame, signal),
            lookUp: async () => ({ publicKey: toBase64url(this.#keys.publicKey), online: true }),
            invitation: () => Promise.reject(new Error('nobody asks for one'))
          }
        },
        OnceCarrier
      )
      this.#clients.push(client)
      await client.connect(this.#url, this.#key)
    }
  }

  get #url(): string {
    return `https://device?device=${this.#keys.deviceId}`
  }

  #newHub(): DeviceHub {
    const hub: DeviceHub = new DeviceHub({
      suite,
      ring: this.#keys,
      clock: this.#clock,
      ...this.#device,
      handler: ({ payload }) => {
        // A process that was killed does nothing.
        if (this.#host !== undefined && this.#host.hub !== hub) return undefined
        const uid = payload as number
        this.#ran.set(uid, (this.#ran.get(uid) ?? 0) + 1)
        if (this.#chance(0.8)) return uid
        return new Promise<number>(resolve => this.#open.push(() => resolve(uid)))
      }
    })
    this.#hubs.push(hub)
    return hub
  }

  #post(index: number, frame: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
    const now = this.#nowOf(index)
    if (++now.posts > MAX_POSTS_AT_ONCE * now.requests)
      this.#faults.push(`client ${index} posts ${now.posts} times at once for ${now.requests} requests`)
    this.#frames.push(frame)
    this.#note('post')
    return new Promise((resolve, reject) => {
      const post: Post = { frame, resolve, reject }
      this.#posts.add(post)
      signal?.addEventListener('abort', () => {
        this.#posts.delete(post)
        reject(onceFailure(499, true))
      })
      if (this.#chance(0.2)) this.#fail(post)
      else if (this.#chance(0.7)) void this.#bring(frame).then(answer => answer && this.#answer(post, answer))
    })
  }

  /** At this moment of its clock: how many of its requests wait or waited, and how often it has posted. */
  #nowOf(index: number): { at: number; posts: number; requests: number } {
    const at = (this.#clocks[index] as FakeClock).now()
    const last = this.#postsNow[index]
    if (last?.at === at) return last
    const { length } = this.asked.filter(({ client, settled }) => client === index && settled === 0)
    const now = { at, posts: 0, requests: length }
    this.#postsNow[index] = now
    return now
  }

  /** To the device that is there. */
  async #bring(frame: Uint8Array): Promise<Uint8Array | undefined> {
    const { hub } = this.#host
    const answer = await hub.once(frame).catch(() => undefined)
    if (answer === undefined || this.#host.hub !== hub) return undefined
    this.#answers.set(frame, [...(this.#answers.get(frame) ?? []), answer])
    return answer
  }

  #answer(post: Post, answer: Uint8Array): void {
    if (this.#posts.delete(post)) post.resolve(answer)
  }

  #act(): void {
    const index = this.#below(CLIENTS)
    const client = this.#clients[index] as RemoteClient
    const dice = this.#below(1_000)
    if (dice < 240) this.#ask(client, index)
    else if (dice < 420) this.#note('bring', () => void this.#bringAny())
    else if (dice < 530) this.#note('answer', () => this.#answerAny())
    else if (dice < 590) this.#note('fail', () => this.#failAny())
    else if (dice < 780) this.#pass(1 + this.#below(800))
    else if (dice < 820) this.#pass(this.#below(this.#chance(0.3) ? 400_000 : 15_000))
    else if (dice < 835) this.#note('bring twice', () => void this.#bringTwice())
    else if (dice < 860) this.#open.splice(this.#below(this.#open.length + 1), 1)[0]?.()
    else if (dice < 900) this.#note('restart', () => this.#restart())
    else if (dice < 910) this.#note('set', () => this.#clock.jump(this.#below(7_200_000) - 3_600_000))
    else if (dice < 920) this.#note('sleep', () => this.#sleep(this.#below(CLIENTS + 1)))
    else if (dice < 925) this.#note('set client', () => this.#clocks[index]?.jump(this.#below(3_600_000)))
    else if (dice < 935) this.#note('replace', () => this.#replace())
    else if (dice < 970) this.#note('link', () => this.#reconnect(client, index, 'ws://device'))
    else if (dice < 985)
      this.#note('cut', () => this.#host.links[this.#below(this.#host.links.length)]?.cut())
    else this.#note('https', () => this.#reconnect(client, index, this.#url))
  }

  #ask(client: RemoteClient, index: number): void {
    const timeout = 200 + this.#below(this.#chance(0.3) ? 400_000 : 10_000)
    const end = (this.#clocks[index] as FakeClock).now() + timeout + 2
    const isCommand = this.#chance(0.8)
    const asked: AskedOnce = { uid: this.asked.length, client: index, settled: 0, end, isCommand }
    this.#nowOf(index).requests++
    this.asked.push(asked)
    const what = isCommand ? ['a', 'beside'] : ['state', 'describe', 'release']
    const event = what[this.#below(what.length)] as string
    const answer = isCommand
      ? client.send(event, asked.uid, { timeout })
      : client.ask(event, undefined, { timeout })
    follow(asked, answer, what => this.#note(what))
  }

  /** One that waits, or a recent one, more often. */
  #bringAny(): unknown {
    const waiting = [...this.#posts][this.#below(this.#posts.size)]
    if (waiting !== undefined && this.#chance(0.5)) return this.#bring(waiting.frame)
    const count = this.#frames.length
    const back = this.#chance(0.7) ? this.#below(Math.min(count, 6)) : this.#below(count)
    const frame = this.#frames[count - 1 - back]
    return frame && this.#bring(frame)
  }

  /** The device has had it, and is made to say something else of the same bytes. */
  async #bringTwice(): Promise<void> {
    const post = [...this.#posts][this.#below(this.#posts.size)]
    if (post === undefined) return
    await this.#bring(post.frame)
    if (this.#chance(0.6)) this.#restart()
    this.#pass(this.#below(this.#chance(0.5) ? 3_000 : 130_000))
    const answer = await this.#bring(post.frame)
    if (answer !== undefined) this.#answer(post, answer)
  }

  #answerAny(): void {
    const post = [...this.#posts][this.#below(this.#posts.size)]
    if (post === undefined) return
    const own = this.#answers.get(post.frame) ?? []
    const answers = own.length === 0 && this.#chance(0.1) ? [...this.#answers.values()].flat() : own
    const answer = answers[this.#below(answers.length)]
    if (answer !== undefined) this.#answer(post, answer)
  }

  #failAny(): void {
    const post = [...this.#posts][this.#below(this.#posts.size)]
    if (post !== undefined) this.#fail(post)
  }

  #fail(post: Post): void {
    this.#posts.delete(post)
    post.reject(onceFailure([404, 429, 502, 503, 504][this.#below(5)] as number, true))
  }

  #pass(milliseconds: number, asleep = -1): void {
    const clocks = [...this.#clocks, this.#clock]
    for (const [index, clock] of clocks.entries())
      if (index === asleep) clock.jump(milliseconds)
      else clock.advance(milliseconds)
    for (const { settled, end, client, uid } of this.asked)
      if (settled === 0 && (this.#clocks[client] as FakeClock).now() > end + 1_000_000)
        this.#faults.push(`request ${uid} hangs`)
  }

  /** Its monotonic clock stands still meanwhile. */
  #sleep(index: number): void {
    this.#pass(this.#below(300_000), index)
  }

  /** As when the process is killed: nothing of it is left, and nobody is told. */
  #restart(): void {
    this.#open.length = 0
    this.#host.hub = this.#newHub()
    for (const link of this.#host.links) link.cut()
  }

  #replace(): void {
    const before: SealingKey = this.#key
    this.#key = newKey()
    this.#keys.replace(before.id, this.#key)
    // The owner may take it back, and what was kept opens again.
    if (this.#chance(0.3)) this.#keys.keys.set(before.id, before)
    for (const client of this.#clients) client.setEncryption(this.#key)
  }

  #reconnect(client: RemoteClient, index: number, url: string): void {
    client.close()
    void client
      .connect(url, this.#key, true)
      .catch((error: unknown) => this.#note(`not connected: ${index} ${error}`))
  }

  /** All that was kept comes again, while time passes until nothing waits. */
  async #calmDown(): Promise<void> {
    for (let turn = 0; turn < 60; turn++) {
      for (const open of this.#open.splice(0)) open()
      for (const frame of turn % 30 === 0 ? this.#frames : []) void this.#bring(frame)
      for (const post of this.#posts)
        void this.#bring(post.frame).then(answer => answer && this.#answer(post, answer))
      for (let turns = 0; turns < 5; turns++) await setImmediate()
      this.#pass(10_000)
    }
    for (let turn = 0; turn < 50; turn++) await setImmediate()
  }

  #note(what: string, act = () => {}): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1)
    act()
  }

  #chance(share: number): boolean {
    return this.#numbers() < share * 2 ** 32
  }

  /** @returns a number from 0 to `end` − 1 */
  #below(end: number): number {
    return this.#numbers() % Math.max(end, 1)
  }
}
