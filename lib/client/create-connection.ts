import type { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { Connection, type ConnectionContext } from '../connection/connection'
import type { Forward } from '../connection/connection-context'
import type { TransportFacts } from '../connection/transport-facts'
import type { OptionsByProtocol } from '../options/connection-options'
import { tell } from '../runtime/application-call'
import type { TokenClientEvents } from './client-events'
import type { ClientSettings } from './client-options'
import type { ClientReport } from './client-report'

type Told = 'onOpen' | 'onDrain' | 'onGoaway' | 'onClose' | 'onDetached' | 'onResumed'

/** A client, as its connections see it. */
export interface ConnectionHost extends Required<Pick<ConnectionContext, Told>> {
  readonly client: EventEmitter<TokenClientEvents>
  readonly report: ClientReport
  readonly settings: ClientSettings
  readonly connectionOptions: OptionsByProtocol
  /** It dials again. */
  readonly goesOn: boolean
}

/**
 * Makes the connection of a client on a transport that was dialled, or left by a lost session.
 *
 * @param forward none while the connection has not taken over: its tokens wait until the old one has handed out all of its own
 */
export function createConnection(
  host: ConnectionHost,
  socket: Duplex,
  facts: TransportFacts,
  forward?: Forward
): Connection {
  const { client } = host
  const context: ConnectionContext = {
    ...facts,
    owner: client,
    session: host.settings.session,
    goesOn: host.goesOn,
    forward,
    onOpen: opened => host.onOpen(opened),
    onDrain: () => host.onDrain(),
    onUndeliverable: token => tell(client, 'undeliverable', token),
    onUnconsumed: waiting => tell(client, 'unconsumed', waiting),
    onHandlerError: (error, from) => tell(client, 'handlerError', error, from),
    onGoaway: (goaway, from) => host.onGoaway(goaway, from),
    onClose: (info, closed, successor) => {
      host.report.left(closed)
      host.onClose(info, closed, successor)
    },
    onDetached: (error, from) => host.onDetached(error, from),
    onResumed: resumed => host.onResumed(resumed),
    onSessionLost: loss => host.report.sessionLost(loss)
  }
  const isToken2 = facts.greeted !== undefined || (socket as TLSSocket).alpnProtocol === 'token/2'
  const options = host.connectionOptions[isToken2 ? 'token/2' : 'token/1']
  const connection = new Connection(socket, options, context)
  host.report.made(connection)
  return connection
}
