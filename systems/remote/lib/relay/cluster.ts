import type { Bus } from '@token-server/service'
import { fromBase64url, toBase64url } from '../encoding/base64url'
import { type Announced, type BusFrame, type BusMessage, decodeBus, encodeBusMessage } from './bus-message'
import type { DevicePlace } from './device-place'
import type { Directory, Neighbours } from './directory'
import { Neighbour } from './neighbour'
import type { RelayContext } from './relay-context'

/** The topic that all relays hear; each has one of its own beside, its id on the bus. */
const ALL = 'all'

/** Milliseconds between two signs of life. */
const BEAT = 1_000

/** Milliseconds of silence after which another relay is gone, or cut off. */
const SILENCE = 4_000

/** Devices in one message. */
const DEVICES_AT_ONCE = 1_000

/** Milliseconds for the others to say whether they hold an invitation. */
const TAKE_TIMEOUT = 1_000

/** Questions for invitations at once. */
const MAX_QUESTIONS = 1_000

interface Question {
  /** Relays that have not answered. */
  left: number
  settle(sealed?: Uint8Array): void
}

/**
 * The relays of one name, on one bus. Each tells the others which devices it has; a client of one reaches a device of another by a
 * channel (see `BusMessage`). Whatever may have been missed of another relay counts as if that one had gone and come: all channels
 * between the two end, their clients are told `offline`, and as soon as it has said which devices it has, they are opened anew.
 */
export class Cluster implements Neighbours {
  readonly #bus: Bus
  readonly #directory: Directory
  readonly #context: RelayContext
  readonly #onKick: (clientId: string) => void
  readonly #neighbours = new Map<string, Neighbour>()
  readonly #stops: (() => void)[]
  readonly #beat: NodeJS.Timeout
  #beatAt = performance.now()
  readonly #questions = new Map<number, Question>()
  #question = 0
  #channel = 0

  constructor(bus: Bus, directory: Directory, context: RelayContext, onKick: (clientId: string) => void) {
    this.#bus = bus
    this.#directory = directory
    this.#context = context
    this.#onKick = onKick
    const hear = (_topic: string, payload: Buffer, from: string) => this.#hear(payload, from)
    const onGap = ({ from, why }: { readonly from: string | null; readonly why: string }) =>
      this.#missed(from, why)
    bus.on('gap', onGap)
    this.#stops = [
      bus.subscribe(ALL, hear),
      bus.subscribe(bus.id, hear),
      () => void bus.removeListener('gap', onGap)
    ]
    this.#beat = setInterval(() => this.#onBeat(), BEAT)
    this.#beat.unref()
    directory.neighbours = this
    this.#sayAll({ do: 'hello' })
  }

  /** Other relays that were heard of in the last seconds. */
  get others(): number {
    return this.#neighbours.size
  }

  announce({ deviceId, registeredAt, isOnline }: DevicePlace): void {
    this.#sayAll({ do: 'devices', list: [[deviceId, registeredAt, isOnline]] })
  }

  forgot(deviceId: string): void {
    this.#sayAll({ do: 'forgot', device: deviceId })
  }

  kick(clientId: string): void {
    this.#sayAll({ do: 'kick', client: clientId })
  }

  /** A sealed invitation that another relay holds: that one gives it away once. */
  takeInvitation(place: string): Promise<Uint8Array | undefined> {
    const left = this.#neighbours.size
    if (left === 0 || this.#questions.size >= MAX_QUESTIONS) return Promise.resolve(undefined)
    return new Promise(resolve => {
      const number = ++this.#question
      const settle = (sealed?: Uint8Array) => {
        clearTimeout(timer)
        this.#questions.delete(number)
        resolve(sealed)
      }
      const timer = setTimeout(settle, TAKE_TIMEOUT)
      this.#questions.set(number, { left, settle })
      this.#sayAll({ do: 'take', number, place })
    })
  }

  leave(): void {
    this.#sayAll({ do: 'leaving' })
    clearInterval(this.#beat)
    for (const stop of this.#stops) stop()
    for (const question of this.#questions.values()) question.settle()
    this.#directory.neighbours = undefined
    this.#neighbours.clear()
  }

  #hear(payload: Buffer, from: string): void {
    if (from === this.#bus.id) return
    // What another relay says must not end this one.
    try {
      this.#take(decodeBus(payload), from)
    } catch (error) {
      this.#context.log.warn(
        { relay: from, error: (error as Error).message },
        'what another relay says was not understood'
      )
    }
  }

  #take(message: BusMessage | BusFrame, from: string): void {
    if (message.do === 'leaving') {
      this.#forget(from)
      return
    }
    const known = this.#neighbours.get(from)
    if (known !== undefined) known.heardAt = performance.now()
    if (message.do === 'hello') {
      known?.forget()
      this.#sayDevices(known ?? this.#welcome(from))
      return
    }
    if (message.do === 'kick') this.#onKick(message.client)
    else if (message.do === 'take') this.#give(message.number, message.place, from)
    else if (message.do === 'gave') this.#given(message)
    else if (known !== undefined) known.hear(message)
    else if (message.do === 'devices' && message.all === true) this.#welcome(from).hear(message)
    else this.#meet(from)
  }

  #give(number: number, place: string, to: string): void {
    const sealed = this.#context.board.take(place)
    this.#publish(
      to,
      encodeBusMessage({ do: 'gave', number, ...(sealed && { sealed: toBase64url(sealed) }) })
    )
  }

  #given({ number, sealed }: Extract<BusMessage, { do: 'gave' }>): void {
    const question = this.#questions.get(number)
    if (question === undefined) return
    question.left--
    if (sealed !== undefined) question.settle(fromBase64url(sealed))
    else if (question.left === 0) question.settle()
  }

  #welcome(id: string): Neighbour {
    const say = (bytes: Uint8Array) => this.#publish(id, bytes)
    const nextChannel = () => {
      this.#channel = (this.#channel + 1) >>> 0
      return this.#channel
    }
    const neighbour = new Neighbour(id, this.#directory, this.#context, say, nextChannel)
    this.#neighbours.set(id, neighbour)
    return neighbour
  }

  /** Begins anew with another relay, or begins. */
  #meet(id: string): void {
    const known = this.#neighbours.get(id)
    known?.forget()
    const neighbour = known ?? this.#welcome(id)
    neighbour.tell({ do: 'hello' })
    this.#sayDevices(neighbour)
  }

  #forget(id: string): void {
    const neighbour = this.#neighbours.get(id)
    this.#neighbours.delete(id)
    neighbour?.forget()
  }

  #sayDevices(neighbour: Neighbour): void {
    let list: Announced[] = []
    for (const { deviceId, registeredAt, isOnline } of this.#directory.places) {
      if (list.push([deviceId, registeredAt, isOnline]) < DEVICES_AT_ONCE) continue
      neighbour.tell({ do: 'devices', list, all: true })
      list = []
    }
    neighbour.tell({ do: 'devices', list, all: true })
  }

  #missed(from: string | null, why: string): void {
    this.#context.log.warn(
      { relay: from, why },
      'messages of other relays may be missing: it begins anew with them'
    )
    if (from !== null) {
      this.#context.counters.otherRelaysLost++
      this.#meet(from)
      return
    }
    this.#context.counters.otherRelaysLost += this.#neighbours.size
    for (const id of [...this.#neighbours.keys()]) this.#meet(id)
    this.#sayAll({ do: 'hello' })
  }

  #onBeat(): void {
    const now = performance.now()
    // Whoever stood still itself has heard nobody.
    const stoodStill = now - this.#beatAt > 2 * BEAT
    this.#beatAt = now
    this.#sayAll({ do: 'alive' })
    for (const neighbour of [...this.#neighbours.values()]) {
      if (stoodStill) neighbour.heardAt = now
      else if (now - neighbour.heardAt > SILENCE) {
        this.#context.counters.otherRelaysLost++
        this.#context.log.warn({ relay: neighbour.id }, `another relay has been silent for ${SILENCE} ms`)
        // It may still hear this one.
        neighbour.tell({ do: 'leaving' })
        this.#forget(neighbour.id)
      }
    }
  }

  #sayAll(message: BusMessage): void {
    this.#publish(ALL, encodeBusMessage(message))
  }

  #publish(topic: string, bytes: Uint8Array): void {
    try {
      this.#bus.publish(topic, bytes)
    } catch (error) {
      this.#context.log.warn({ error: (error as Error).message }, 'the other relays were not told')
    }
  }
}
