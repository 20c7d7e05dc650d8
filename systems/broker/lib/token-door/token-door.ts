import type { Identity, Verifier } from '@token-server/identity'
import { type Checks, checkOptions, has, isFunction, needed } from '@token-server/service/options'
import type { Connection, Peer, TokenServer } from 'token-server'
import type { Broker } from '../core/broker'
import type { ConnectionInfo } from '../core/broker-options'
import { isVerifier } from '../core/create-broker'
import { isLog, type Log, SILENT } from '../core/log'
import { wrongOption } from '../errors/broker-error'
import { DoorConnection, type DoorHost } from './door-connection'
import { handlerOf } from './handler-of'

/** Requests of one client that are worked on at once. Publishes start in their order. */
const CONCURRENCY = 64

export interface TokenDoorOptions {
  readonly broker: Broker
  /** Its connections are the clients of the door. It must have no consumer of tokens; `session: true` lets clients be cut and lose nothing. */
  readonly server: TokenServer
  /** That of the broker. */
  readonly verifier: Verifier
  /** Who a client is by its certificate, when it shows no token. Default: a trusted one with one common name is a handler of that name. */
  readonly identityOf?: (peer: Peer) => Identity | undefined
  /** Default: silent. */
  readonly log?: Log
}

export interface TokenDoor {
  /** Refuses clients from now on, and ends those that are there. The server stays. */
  close(): void
}

const CHECKS: Checks<TokenDoorOptions> = {
  broker: needed(has('addDoor', 'publish', 'storedQueue')),
  server: needed(has('on', 'close')),
  verifier: isVerifier,
  identityOf: isFunction,
  log: isLog
}

/**
 * Lets the clients of a `TokenServer` publish and subscribe. `docs/token-door.md` says what they speak.
 *
 * @throws BrokerError `ERR_BROKER_OPTION`
 */
export function openTokenDoor(options: TokenDoorOptions): TokenDoor {
  checkOptions(options, CHECKS, wrongOption)
  const { broker, server, verifier, identityOf = handlerOf, log = SILENT } = options
  const clients = new Set<DoorConnection>()
  let isClosing = false
  const host: DoorHost = {
    broker,
    verifier,
    identityOf,
    log,
    sessions: new Map(),
    get isClosing() {
      return isClosing
    }
  }
  const take = (connection: Connection) => {
    const client = new DoorConnection(connection, host)
    clients.add(client)
    connection.once('close', () => clients.delete(client))
    connection.handle(token => client.answer(token), { concurrency: CONCURRENCY })
  }
  broker.addDoor(() => infosOf(clients))
  server.on('connection', take)
  for (const connection of server.connections) take(connection)
  return {
    close() {
      isClosing = true
      for (const client of clients) client.end('closing', 'the broker closes')
    }
  }
}

function* infosOf(clients: Iterable<DoorConnection>): Iterable<ConnectionInfo> {
  for (const { info } of clients) if (info !== undefined) yield info
}
