import { setImmediate } from 'node:timers/promises'
import { numbersFrom } from '@token-server/test-helpers'
import { FakeClock } from 'token-server/testing'
import { RemoteClient } from '../../lib/client/remote-client'
import { DeviceHub } from '../../lib/device/device-hub'
import type { CommandContext, CommandRequest } from '../../lib/device/handler'
import { nodeScrypt } from '../../lib/sealing/node-scrypt'
import type { SealingKey } from '../../lib/sealing/session'
import { MemoryHost, newKey, suite, TestKeys } from '../helpers/device-and-client'
import { type Asked, faultsOf, follow } from './asked'

const CLIENTS = 4
/** Of the first ones each has a key of its own, which may be revoked; the others share one, which may be replaced. */
const PHONES = 2

/**
 * Clients and a device over memory, to which all kinds of things happen by chance: connections break, frames are lost and changed, keys
 * are replaced and revoked, handlers throw, the device starts anew. What the promises of the clients say is held against what the
 * handlers saw. One seed determines all of it but the keys.
 */
export class Simulation {
  readonly asked: Asked[] = []
  /** How often the handler was called for a uid. */
  readonly ran = new Map<number, number>()
  readonly counts = new Map<string, number>()
  readonly #numbers: () => number
  readonly #clock = new FakeClock({ date: 1_800_000_000_000 })
  readonly #clients: RemoteClient[] = []
  readonly #keyOf: SealingKey[] = []
  readonly #open: { finish(): void }[] = []
  readonly #controllers: AbortController[] = []
  #host!: MemoryHost
  #keys!: TestKeys
  #lossy = 0
  #altering = 0

  constructor(seed: number) {
    this.#numbers = numbersFrom(seed)
  }

  async run(steps: number): Promise<void> {
    await this.#begin()
    for (let step = 0; step < steps; step++) {
      this.#act()
      if (this.#chance(0.5)) await setImmediate()
      if (this.#chance(0.3)) this.#clock.advance(1 + this.#below(40))
    }
    await this.#calmDown()
  }

  /** What is not as it was promised. */
  faults(): string[] {
    const faults: string[] = []
    for (const asked of this.asked) {
      const { uid } = asked
      faults.push(...faultsOf(asked, { ran: this.ran.get(uid) ?? 0, answer: `done ${uid}` }))
    }
    for (const [index, client] of this.#clients.entries())
      if (client.pending > 0) faults.push(`client ${index} has ${client.pending} requests in its table`)
    const { commands } = this.#host.hub.stats
    if (commands > 0) faults.push(`the device has ${commands} commands in its table`)
    return faults
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.close()
    await this.#host.hub.close()
  }

  async #begin(): Promise<void> {
    const shared = newKey('shared')
    for (let index = 0; index < CLIENTS; index++) this.#keyOf.push(index < PHONES ? newKey('paired') : shared)
    this.#keys = await TestKeys.create(...new Set(this.#keyOf))
    this.#host = new MemoryHost(this.#newHub(), this.#keys.publicKey, {
      highWaterBytes: 2_000,
      pass: frame => this.#pass(frame)
    })
    for (let index = 0; index < CLIENTS; index++) {
      const client = new RemoteClient({
        suite,
        scrypt: nodeScrypt,
        dial: this.#host.dial,
        clock: this.#clock,
        random: () => this.#numbers() / 2 ** 32
      })
      this.#clients.push(client)
      await client.connect('ws://device', this.#keyOf[index])
    }
  }

  #newHub(): DeviceHub {
    return new DeviceHub({
      suite,
      ring: this.#keys,
      clock: this.#clock,
      concurrent: ['beside'],
      maxQueuedCommands: 50,
      handlerTimeout: 2_000,
      memory: { maxAnswers: 20 },
      handler: (request, context) => this.#handle(request, context)
    })
  }

  #handle({ payload }: CommandRequest, { progress }: CommandContext): unknown {
    const uid = payload as number
    this.ran.set(uid, (this.ran.get(uid) ?? 0) + 1)
    const answer = `done ${uid}`
    if (this.#chance(0.05)) throw new Error('by chance')
    if (this.#chance(0.5)) return answer
    if (this.#chance(0.2)) progress(uid)
    return new Promise((resolve, reject) => {
      const fails = this.#chance(0.1)
      this.#open.push({ finish: () => (fails ? reject(new Error('by chance')) : resolve(answer)) })
    })
  }

  #pass(frame: Uint8Array): Uint8Array | undefined {
    if (this.#lossy > 0 && this.#chance(this.#lossy)) return undefined
    if (this.#altering === 0 || !this.#chance(this.#altering)) return frame
    const altered = frame.slice()
    const index = this.#below(altered.length)
    altered[index] = (altered[index] as number) ^ (1 << this.#below(8))
    return altered
  }

  #act(): void {
    const index = this.#below(CLIENTS)
    const client = this.#clients[index] as RemoteClient
    const dice = this.#below(1_000)
    if (dice < 650) this.#ask(client, index)
    else if (dice < 850) this.#open.splice(this.#below(this.#open.length + 1), 1)[0]?.finish()
    else if (dice < 880) this.#note('cut', () => this.#someLink()?.cut(undefined, this.#chance(0.5)))
    else if (dice < 900) this.#note('pause', () => this.#someLink()?.pause())
    else if (dice < 930) for (const link of this.#host.links) link.resume()
    else if (dice < 940) this.#note('lossy', () => (this.#lossy = this.#lossy === 0 ? 0.05 : 0))
    else if (dice < 950) this.#note('altering', () => (this.#altering = this.#altering === 0 ? 0.05 : 0))
    else if (dice < 965) this.#controllers.splice(this.#below(this.#controllers.length + 1), 1)[0]?.abort()
    else if (dice < 975) this.#note('replace', () => this.#replace())
    else if (dice < 980) this.#note('revoke', () => this.#revoke(this.#below(PHONES)))
    else if (dice < 985) this.#note('restart', () => this.#restart())
    else if (dice < 988) this.#note('move', () => this.#move())
    else if (dice < 994) this.#note('reopen', () => this.#reopen(client, index))
    else this.#note('own key', () => this.#setKey(index))
  }

  #ask(client: RemoteClient, index: number): void {
    const asked: Asked = { uid: this.asked.length, client: index, settled: 0 }
    this.asked.push(asked)
    const controller = new AbortController()
    if (this.#chance(0.1)) this.#controllers.push(controller)
    const options = { timeout: 50 + this.#below(5_000), signal: controller.signal }
    const answer = client.send(this.#chance(0.2) ? 'beside' : 'a', asked.uid, options)
    follow(asked, answer, what => this.#note(what))
  }

  #replace(): void {
    const before = this.#keyOf[CLIENTS - 1] as SealingKey
    const after = newKey('shared')
    this.#keyOf.fill(after, PHONES)
    this.#keys.replace(before.id, after)
    for (let index = PHONES; index < CLIENTS; index++) if (this.#chance(0.7)) this.#setKey(index)
  }

  #revoke(index: number): void {
    const before = this.#keyOf[index] as SealingKey
    const after = newKey('paired')
    this.#keyOf[index] = after
    this.#keys.revoke(before.id)
    this.#keys.keys.set(after.id, after)
    if (this.#chance(0.7)) this.#setKey(index)
  }

  #setKey(index: number): void {
    this.#clients[index]?.setEncryption(this.#keyOf[index] as SealingKey)
  }

  /** As when the process is killed: nothing of it is left, and nobody is told. */
  #restart(): void {
    const { hub, links } = this.#host
    this.#open.length = 0
    this.#host.hub = this.#newHub()
    for (const link of links) link.cut()
    void hub.close()
  }

  /** Its relay, which kept the links, may tell its clients, or not. */
  #move(): void {
    const { hub } = this.#host
    const isTold = this.#chance(0.5)
    this.#open.length = 0
    if (isTold) this.#host.tellAll({ do: 'offline' })
    this.#host.moveTo(this.#newHub())
    if (isTold) this.#host.tellAll({ do: 'online' })
    void hub.close()
  }

  #reopen(client: RemoteClient, index: number): void {
    client.close()
    void client.connect('ws://device', this.#keyOf[index], true).catch(() => {})
  }

  #someLink() {
    const open = this.#host.links.filter(({ isClosed }) => !isClosed)
    return open[this.#below(open.length)]
  }

  /** Nothing bad happens any more, and time passes until nothing waits. */
  async #calmDown(): Promise<void> {
    this.#lossy = 0
    this.#altering = 0
    for (let index = 0; index < CLIENTS; index++) this.#setKey(index)
    for (let turn = 0; turn < 400; turn++) {
      for (const link of this.#host.links) link.resume()
      for (const { finish } of this.#open.splice(0)) finish()
      await setImmediate()
      this.#clock.advance(50)
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
