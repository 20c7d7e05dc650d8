import { randomUUID } from 'node:crypto'
import { type Identity, peerAnswer, type Verifier } from '@token-server/identity'
import type { ConnectPacket } from 'aedes'
import { grantsOf } from '../authorization/grants'
import { isServiceKind, subjectOf } from '../authorization/subject'
import { type BrokerLimits, whyTopicTooLong } from '../limits/limits'
import type { Places } from '../limits/places'
import { stampSender } from '../wire/stamp-sender'
import type { AedesPacket } from './aedes-packet'
import type { Connection, From } from './connection'
import type { Counters } from './counters'
import { type AedesClient, MEMBER, Member } from './member'
import { type Refusals, RefusedError } from './refusals'

/** CONNACK 4: the user name or the token is malformed. */
const MALFORMED = 4
/** CONNACK 5: the token is refused. */
const NOT_AUTHORIZED = 5
const UNAVAILABLE = 3
const IDENTIFIER_REJECTED = 2

const RETURN_CODES = { malformed: MALFORMED, refused: NOT_AUTHORIZED, unavailable: UNAVAILABLE } as const

/** What a client says in CONNECT. */
export interface Credentials {
  readonly username: string | undefined
  readonly password: Buffer | undefined
  readonly from: From
}

export interface AdmissionOptions {
  readonly verifier: Verifier
  readonly authenticate: (credentials: Credentials) => Promise<Identity>
  readonly commands: readonly string[]
  readonly limits: BrokerLimits
  readonly refusals: Refusals
  readonly counters: Counters
  readonly places: Places
  /** Why nothing can be stored now; undefined: it can. */
  readonly whyStoreDown: () => string | undefined
  readonly isConnected: (clientId: string) => boolean
  /** Forgets old sessions of a subject. */
  readonly makeRoomFor: (clientId: string, identity: Identity) => Promise<void>
}

/** Why a client is refused, with the code of its CONNACK. */
class Refused extends Error {
  readonly returnCode: number

  constructor(returnCode: number, why: string) {
    super(why)
    this.returnCode = returnCode
  }
}

/** CONNECT: user name `JWT`, the token as password. Makes a {@link Member} of a connection, or says why not. */
export class Admission {
  readonly #options: AdmissionOptions
  readonly #refused = new WeakMap<AedesClient, RefusedError>()

  constructor(options: AdmissionOptions) {
    this.#options = options
  }

  /**
   * aedes' `preConnect`: the last place where the client id can be changed. Each subject has client ids of its own, so that nobody takes over
   * the session of somebody else, whether it is open or stored.
   */
  async examine(client: AedesClient, packet: ConnectPacket, connection: Connection): Promise<void> {
    client.pause() // aedes would handle what comes behind CONNECT before we know who sent it
    const clientId = packet.clientId
    try {
      await this.#admit(client, packet, connection)
    } catch (error) {
      const { refusals } = this.#options
      const { address } = connection.from
      const refusal = refusals.add({
        what: 'connect',
        why: (error as Error).message,
        connection: connection.id,
        clientId,
        ...(address === undefined ? {} : { address })
      })
      connection.because(`refused: ${refusal.why}`)
      const returnCode = error instanceof Refused ? error.returnCode : RETURN_CODES[peerAnswer(error).kind]
      this.#refused.set(client, new RefusedError(refusal, returnCode))
      delete packet.will
      packet.clientId = `refused/${connection.id}`
    }
  }

  /** aedes' `authenticate`, which answers by CONNACK. */
  answer(client: AedesClient, done: (error: Error | null, isIn: boolean) => void): void {
    const refused = this.#refused.get(client)
    if (refused === undefined) done(null, client[MEMBER] !== undefined)
    else done(refused, false)
  }

  async #admit(client: AedesClient, packet: ConnectPacket, connection: Connection): Promise<void> {
    const { verifier, authenticate, commands, limits, places, counters, makeRoomFor } = this.#options
    const { username, password } = packet
    const identity = await authenticate({ username, password, from: connection.from })
    const { whyNoTopics } = grantsOf(identity, commands)
    if (whyNoTopics !== undefined) throw new Refused(NOT_AUTHORIZED, whyNoTopics)
    if (packet.clientId.length > limits.maxClientIdLength) {
      throw new Refused(IDENTIFIER_REJECTED, `the client id is longer than ${limits.maxClientIdLength}`)
    }
    this.#checkWill(packet, identity)
    const whyDown = this.#options.whyStoreDown()
    if (whyDown !== undefined) {
      connection.cut('the store is away') // without CONNACK, behind which MQTT.js would not connect again
      throw new Refused(UNAVAILABLE, `the store is away: ${whyDown}`)
    }
    if (connection.stream.destroyed) throw new Refused(UNAVAILABLE, 'the connection was closed meanwhile')
    const clientId = `${encodeURIComponent(subjectOf(identity))}/${packet.clientId || randomUUID()}`
    const whyFull = places.enterAs(identity, this.#options.isConnected(clientId)) // that one is closed [MQTT-3.1.4-2]
    if (whyFull !== undefined) throw new Refused(NOT_AUTHORIZED, whyFull)
    const watch = verifier.watch(identity, end => {
      counters.tokenEnded++
      connection.cut(end.message)
    })
    connection.stream.once('close', () => {
      places.leaveAs(identity)
      watch.stop()
    })
    packet.clientId = clientId
    client[MEMBER] = new Member(connection, client, watch, commands, limits, packet.clean !== false)
    if (packet.clean === false) await makeRoomFor(clientId, identity)
  }

  #checkWill(packet: ConnectPacket, identity: Identity): void {
    const will = packet.will as AedesPacket | undefined
    if (will === undefined) return
    const { limits, commands } = this.#options
    const why = grantsOf(identity, commands).whyNotPublish(will.topic) ?? whyTopicTooLong(will.topic, limits)
    if (why !== undefined) throw new Refused(NOT_AUTHORIZED, `its will to ${will.topic}: ${why}`)
    if (!stampMessage(will, identity))
      throw new Refused(NOT_AUTHORIZED, `its will to ${will.topic}: ${WHY_NOT_STAMPED}`)
  }
}

/** The user name `JWT`, and a token as password. */
export function authenticateByJwt(verifier: Verifier): AdmissionOptions['authenticate'] {
  return ({ username, password }) => {
    if (username !== 'JWT') return Promise.reject(new Refused(MALFORMED, 'the user name is not "JWT"'))
    if (password === undefined || password.length === 0) {
      return Promise.reject(new Refused(MALFORMED, 'there is no password'))
    }
    return verifier.verify(password.toString())
  }
}

/**
 * Writes the verified sender onto a message: for handlers in this process, and into the JSON of devices.
 *
 * @returns false: it can't be written, {@link WHY_NOT_STAMPED}
 */
export function stampMessage(packet: AedesPacket, identity: Identity): boolean {
  const payload = stampedBy(identity, toBuffer(packet.payload))
  if (payload === undefined) return false
  packet.properties = { userProperties: { sub: identity.id, kind: identity.kind } }
  packet.payload = payload
  return true
}

/** A payload with its verified sender; undefined: {@link WHY_NOT_STAMPED}. */
export function stampedBy(identity: Identity, payload: Buffer): Buffer | undefined {
  return isServiceKind(identity) ? payload : stampSender(payload, identity.id)
}

export const WHY_NOT_STAMPED = 'its payload is no JSON, and names a user_id that some parsers would read'

function toBuffer(payload: Buffer | string): Buffer {
  return typeof payload === 'string' ? Buffer.from(payload) : payload
}
