import type { Duplex } from 'node:stream'
import { createVerifier, type Verifier, verifierOptionsOf } from '@token-server/identity'
import { type Bus, createBus, createService, type Service, type ServiceOptions } from '@token-server/service'
import {
  type Checks,
  checkOptions,
  has,
  isFlag,
  isObject,
  isText,
  listOf,
  needed
} from '@token-server/service/options'
import { MOST_AROUND_PAYLOAD } from '../bus/cluster-message'
import type { Broker } from '../core/broker'
import { createBroker } from '../core/create-broker'
import { wrongOption } from '../errors/broker-error'
import { type BrokerLimits, completeLimits } from '../limits/limits'
import { StatusApp } from '../status/status-app'
import { openTokenDoor } from '../token-door/token-door'
import { MOST_FRAME_BYTES } from '../wire/token-frame'
import { brokerMetrics } from './broker-metrics'
import type { BrokerConfig } from './config'
import { EarlyLog } from './early-log'
import { WebSocketStream } from './websocket-stream'

/** The path of MQTT over WebSocket. */
const PATH = '/mqtt'

const DEFAULT_PORT = 8883

/** Milliseconds of silence until TCP asks whether the client is there. */
const TCP_KEEP_ALIVE = 60_000

/** Bytes of messages that wait for the bus, while Redis is away. */
const BUS_QUEUE_BYTES = 16 * 1_048_576

/** Of one packet. */
const MOST_HEADER_BYTES = 5

/** The longest packets that a WebSocket message may hold: MQTT.js writes in a browser at once what has gathered [MQTT-6.0.0-2]. */
const PACKETS_OF_MESSAGE = 4

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

const CHECKS: Checks<StartOptions> = {
  config: needed(isObject),
  notices: listOf(isText),
  secrets: listOf(isText),
  dev: isFlag,
  logTo: has('write'),
  signals: isFlag
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
  checkOptions(options, CHECKS, wrongOption)
  const { config, notices = [], secrets = [], dev = false, logTo, signals } = options
  const { options: verifierOptions, notes } = verifierOptionsOf(environmentOf(config), { dev })
  const verifier = createVerifier(verifierOptions)
  const log = new EarlyLog()
  const limits = completeLimits(limitsOf(config))
  const bus = busOf(config, limits, log)
  const letGo = async () => {
    await bus?.close()
    verifier.close()
  }
  const opening = createBroker({
    verifier,
    log,
    limits,
    ...storeOf(config),
    ...(bus === undefined ? {} : { bus }),
    ...(config.COMMANDS === undefined ? {} : { commands: config.COMMANDS })
  })
  const broker = await opening.catch(async (error: unknown) => {
    await letGo()
    throw error
  })
  const status = new StatusApp(broker)
  let service: Service
  try {
    service = await createService({
      name: 'broker',
      config,
      logTo,
      signals,
      bus,
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
    await letGo()
    throw error
  }
  log.attach(service.log)
  service.readiness.add('store', () =>
    broker.whyStoreDown === undefined ? null : `it is away: ${broker.whyStoreDown}`
  )
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
          maxPayloadBytes: PACKETS_OF_MESSAGE * (broker.limits.maxPacketBytes + MOST_HEADER_BYTES),
          onConnection: (socket, request) => {
            take(new WebSocketStream(socket), request.socket.remoteAddress, 'wss')
          }
        }
      }
    }
  }
}

/** To the brokers that share the Redis; undefined: this one is alone. */
function busOf(
  { REDIS_URL }: Partial<BrokerConfig>,
  { maxPacketBytes }: BrokerLimits,
  log: EarlyLog
): Bus | undefined {
  if (REDIS_URL === undefined) return undefined
  const maxMessageBytes = maxPacketBytes + MOST_AROUND_PAYLOAD
  const maxQueueBytes = Math.max(BUS_QUEUE_BYTES, 2 * maxMessageBytes)
  return createBus({ name: 'broker', url: REDIS_URL, log, maxMessageBytes, maxQueueBytes })
}

function storeOf({ REDIS_URL, STORE_DIR, STORE_SYNC }: Partial<BrokerConfig>) {
  if (REDIS_URL !== undefined) return { redisUrl: REDIS_URL }
  const sync = STORE_SYNC === 'always'
  return STORE_DIR === undefined || STORE_DIR === 'memory' ? { sync } : { sync, folder: STORE_DIR }
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
