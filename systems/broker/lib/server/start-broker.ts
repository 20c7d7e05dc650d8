import type { Duplex } from 'node:stream'
import { createVerifier, type Verifier, verifierOptionsOf } from '@token-server/identity'
import { createService, type Service, type ServiceOptions } from '@token-server/service'
import { type Broker, createBroker } from '../core/broker'
import type { Log } from '../core/log'
import { StatusApp } from '../status/status-app'
import { openTokenDoor } from '../token-door/token-door'
import { MOST_FRAME_BYTES } from '../wire/token-frame'
import { brokerMetrics } from './broker-metrics'
import type { BrokerConfig } from './config'
import { WebSocketStream } from './websocket-stream'

/** The path of MQTT over WebSocket. */
const PATH = '/mqtt'

const DEFAULT_PORT = 8883

/** Milliseconds of silence until TCP asks whether the client is there. */
const TCP_KEEP_ALIVE = 60_000

/** Of one packet in a WebSocket message of its own. */
const MOST_HEADER_BYTES = 5

export interface StartOptions {
  /** What `readConfig(brokerSchema)` gave. */
  readonly config: Partial<BrokerConfig>
  readonly notices?: readonly string[]
  readonly secrets?: readonly string[]
  /** Lets secrets of less than 32 bytes sign tokens. */
  readonly dev?: boolean
  readonly logTo?: ServiceOptions['logTo']
  /** Whether SIGTERM and SIGINT end it. Default true. */
  readonly signals?: boolean
}

/** A broker that listens. */
export interface RunningBroker {
  readonly broker: Broker
  readonly service: Service
  readonly verifier: Verifier
}

/**
 * Starts a broker on one TLS port for MQTT and for MQTT over WebSocket, whose clients need no certificate, and for the token door, whose
 * clients do unless `TOKEN_CERTIFICATE` says otherwise.
 *
 * @throws ServiceError, BrokerError, JwtError, TokenError: what the configuration or the machine does not allow
 */
export async function startBroker(options: StartOptions): Promise<RunningBroker> {
  const { config, notices = [], secrets = [], dev = false } = options
  const { options: verifierOptions, notes } = verifierOptionsOf(environmentOf(config), { dev })
  const verifier = createVerifier(verifierOptions)
  let service: Service | undefined
  const broker = await createBroker({
    verifier,
    sync: config.STORE_SYNC === 'always',
    log: logOf(() => service),
    ...(config.STORE_DIR === undefined || config.STORE_DIR === 'memory' ? {} : { folder: config.STORE_DIR }),
    ...(config.COMMANDS === undefined ? {} : { commands: config.COMMANDS }),
    limits: limitsOf(config)
  })
  const status = new StatusApp(broker)
  try {
    service = await createService({
      ...options,
      name: 'broker',
      notices: [...notices, ...notes],
      secrets: [...secrets, ...(config.JWT_SECRET === undefined ? [] : [config.JWT_SECRET])],
      defaultPort: DEFAULT_PORT,
      tokens: tokenOptionsOf(broker, config),
      admin: { fetch: config.ADMIN_TOKEN === undefined ? noStatus : status.fetch },
      ...doorsOf(broker)
    })
  } catch (error) {
    status.close()
    await broker.close()
    verifier.close()
    throw error
  }
  openTokenDoor({ broker, verifier, server: service.server, log: service.log })
  brokerMetrics(broker, service.metrics)
  service.shutdown.add('the status page', () => status.close())
  service.shutdown.add('the broker', () => broker.close())
  service.shutdown.add('the verifier', () => verifier.close(), 'outputs')
  return { broker, service, verifier }
}

function tokenOptionsOf(
  { limits }: Broker,
  { TOKEN_CERTIFICATE }: Partial<BrokerConfig>
): ServiceOptions['tokens'] {
  const { maxConnections, maxPacketBytes } = limits
  const isOptional = TOKEN_CERTIFICATE === 'optional'
  return {
    maxConnections,
    maxTokenLength: MOST_FRAME_BYTES + maxPacketBytes,
    session: true,
    rejectUnauthorized: !isOptional,
    maxSessions: maxConnections,
    // Clients without a certificate share one identity here; the broker counts those of each subject.
    ...(isOptional
      ? { maxConnectionsPerIdentity: maxConnections, maxSessionsPerIdentity: maxConnections }
      : {})
  }
}

/** The page shows who is connected: without a token nobody sees it, on this machine either. */
function noStatus(): Response {
  return new Response('Set ADMIN_TOKEN to see the status page.\n', { status: 403 })
}

function doorsOf(broker: Broker): Pick<ServiceOptions, 'protocols' | 'http'> {
  const take = (stream: Duplex, address: string | undefined, via: 'tls' | 'wss') => {
    broker.handle(stream, { via, ...(address === undefined ? {} : { address }) })
  }
  return {
    protocols: {
      mqtt: {
        handler: socket => {
          // A client may choose to have no keep alive of MQTT: TCP finds out that it is gone.
          socket.setKeepAlive(true, TCP_KEEP_ALIVE)
          take(socket, socket.remoteAddress, 'tls')
        },
        clientCertificate: 'optional',
        idleTimeout: Number.POSITIVE_INFINITY, // MQTT has its own keep alive
        close: () => broker.close()
      }
    },
    http: {
      fetch: () =>
        new Response('This port speaks MQTT, and MQTT over WebSocket at /mqtt.\n', { status: 404 }),
      webSockets: {
        [PATH]: {
          protocols: ['mqtt', 'mqttv3.1'],
          maxConnections: broker.limits.maxConnections,
          maxPayloadBytes: broker.limits.maxPacketBytes + MOST_HEADER_BYTES,
          onConnection: (socket, request) => {
            take(new WebSocketStream(socket), request.socket.remoteAddress, 'wss')
          }
        }
      }
    }
  }
}

/** The broker is there before the service, whose log it writes to. */
function logOf(service: () => Service | undefined): Log {
  return {
    debug: (fields, message) => service()?.log.debug(fields, message),
    info: (fields, message) => service()?.log.info(fields, message),
    warn: (fields, message) => service()?.log.warn(fields, message),
    error: (fields, message) => service()?.log.error(fields, message),
    isLevelEnabled: level => service()?.log.isLevelEnabled(level) ?? false
  }
}

function limitsOf({ MAX_CONNECTIONS, MAX_PACKET_BYTES, MAX_PUBLISH_RATE }: Partial<BrokerConfig>) {
  return {
    ...(MAX_CONNECTIONS === undefined ? {} : { maxConnections: MAX_CONNECTIONS }),
    ...(MAX_PACKET_BYTES === undefined ? {} : { maxPacketBytes: MAX_PACKET_BYTES }),
    ...(MAX_PUBLISH_RATE === undefined ? {} : { maxPublishRatePerDevice: MAX_PUBLISH_RATE })
  }
}

function environmentOf({ JWT_SECRET, JWT_JWKS_URL, AUDIENCE, ISSUER }: Partial<BrokerConfig>) {
  return { JWT_SECRET, JWT_JWKS_URL, AUDIENCE, ISSUER }
}
