import { hkdfSync } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import { type OtherProtocol, TokenServer, type TokenServerOptions } from 'token-server'
import type { Bus } from '../bus/bus'
import { createBus } from '../bus/create-bus'
import { type OpenCertificates, openCertificates } from '../certificates/open-certificates'
import { watchFiles } from '../certificates/watch-files'
import { type BaseConfig, baseSchema } from '../config/base-schema'
import { readConfig } from '../config/read-config'
import { ServiceError, wrongOption } from '../errors/service-error'
import { healthRoutes } from '../health/health-routes'
import { Readiness } from '../health/readiness'
import { type AdminListener, listenForAdmin } from '../http/admin-listener'
import { HttpDoor } from '../http/http-door'
import { createLogger } from '../logging/create-logger'
import { LimitedLog } from '../logging/limited-log'
import { Loggly } from '../logging/loggly'
import { busMetrics } from '../metrics/bus-metrics'
import { createMetrics } from '../metrics/create-metrics'
import { httpMetrics } from '../metrics/http-metrics'
import { logglyMetrics } from '../metrics/loggly-metrics'
import { tokenMetrics } from '../metrics/token-metrics'
import { checkOptions } from '../options/check-options'
import { Shutdown } from '../shutdown/shutdown'
import { logServer } from './log-server'
import { SERVICE_CHECKS, type ServiceOptions, type ServiceParts } from './service-options'

/** Of the time that a shutdown may take, so much is for those behind the doors. */
const SHARE_OF_DOORS = 0.8

/** Milliseconds until a client must have said which protocol it speaks, TLS included. */
const HANDSHAKE_TIMEOUT = 5_000

/** Connects of one address a second; ten times as many at once. */
const CONNECT_RATE = 200

const MAX_CONNECTIONS = 20_000

/** Clients without a certificate get so many of the places; the others are for handlers and servers, which have one. */
const SHARE_OF_STRANGERS = 0.9

const CERTIFICATES_CHANGED = 'The certificate files have changed'

/**
 * A server with what each of ours needs: one TLS port for tokens, HTTP and whatever else it speaks, certificates, a log, metrics,
 * an admin listener, a bus, and an end in order.
 */
export class Service implements ServiceParts {
  readonly name: string
  readonly log: Logger
  readonly metrics: Registry
  readonly readiness: Readiness
  readonly shutdown: Shutdown
  readonly bus: Bus
  /** The one port. Tokens are taken as from any `TokenServer`. */
  readonly server: TokenServer
  /** Serves HTTP and WebSocket on that port. */
  readonly http: HttpDoor
  /** Null without ADMIN_PORT. */
  readonly admin: AdminListener | null

  constructor(parts: Omit<Service, 'address' | 'close'>) {
    this.name = parts.name
    this.log = parts.log
    this.metrics = parts.metrics
    this.readiness = parts.readiness
    this.shutdown = parts.shutdown
    this.bus = parts.bus
    this.server = parts.server
    this.http = parts.http
    this.admin = parts.admin
  }

  /** Where the port is. */
  get address(): AddressInfo {
    return this.server.address() as AddressInfo
  }

  /** Ends it in order, as SIGTERM does, but leaves the process running. Never rejects. */
  async close(): Promise<void> {
    await this.shutdown.run('it was asked to close')
  }
}

/**
 * Starts a service; it is ready when the promise resolves.
 *
 * @throws (rejects) ServiceError `ERR_OPTION`, `ERR_CONFIG`, `ERR_CERTIFICATES`, `ERR_ADMIN`; TokenError `ERR_OPTION`, `ERR_LISTEN`
 */
export async function createService(options: ServiceOptions): Promise<Service> {
  checkOptions(options, SERVICE_CHECKS, wrongOption)
  const { config, notices, secrets } = configurationOf(options)
  const { name } = options
  const metrics = options.metrics ?? createMetrics(name)
  const loggly = openLoggly(options, config)
  const log = createLogger({
    name,
    level: config.LOG_LEVEL,
    secrets,
    destination: options.logTo,
    also: loggly === null ? [] : [loggly]
  })
  const readiness = new Readiness()
  readiness.set('service', 'it is starting')
  const shutdown = new Shutdown({ timeout: config.SHUTDOWN_TIMEOUT, log })
  if (loggly !== null) {
    loggly.reportTo(log)
    logglyMetrics(loggly, metrics)
    shutdown.add('Loggly', () => loggly.close(), 'log')
  }
  for (const notice of notices) log.warn(notice)
  try {
    const bus = options.bus ?? createBus({ name, url: config.REDIS_URL, log })
    busMetrics(bus, metrics)
    shutdown.add('the bus', () => bus.close(), 'outputs')
    readiness.add('bus', () => (bus.isUp ? null : 'it has no connection to Redis'))
    const parts: ServiceParts = { name, log, metrics, readiness, shutdown, bus }
    const certificates = await open(config, options, log)
    const admin = await openAdmin(options, config, parts)
    if (admin !== null) shutdown.add('the admin listener', () => admin.close(), 'outputs')
    await options.prepare?.(parts)

    const { clientCertificate, idleTimeout, ...httpOptions } = options.http ?? {}
    const http = new HttpDoor({
      onError: error => log.error({ err: error }, 'An HTTP request failed'),
      ...httpOptions,
      routes: healthRoutes(readiness, false)
    })
    const server = new TokenServer(
      serverOptions(options, config, certificates, {
        handler: http.handler,
        clientCertificate: clientCertificate ?? 'optional',
        ...(idleTimeout !== undefined && { idleTimeout })
      })
    )
    logServer(server, log)
    tokenMetrics(server, metrics)
    httpMetrics(http, metrics)
    shutdown.add(
      'the port',
      signal => closePort(signal, options, config, { server, http, readiness }),
      'doors'
    )
    shutdown.add(
      'watching the certificates',
      watchFiles(certificates.files, () => reload(server, certificates, log)),
      'doors'
    )
    // Nothing is waited for from here on, so that whoever asked misses no client.
    await server.ready
    readiness.set('service', null)
    if (options.signals !== false) shutdown.onSignals()
    const service = new Service({ ...parts, server, http, admin })
    const { address, port } = service.address
    log.info({ address, port, ...(admin !== null && { admin: admin.address }) }, `${name} is ready`)
    if (config.LOGGLY_SUBDOMAIN)
      log.info(`This log is also at https://${config.LOGGLY_SUBDOMAIN}.loggly.com/search`)
    return service
  } catch (error) {
    await shutdown.run('it could not start')
    throw error
  }
}

/** The tag is that of the loggers before us, by which people have saved their searches. */
function openLoggly({ name, loggly }: ServiceOptions, { LOGGLY_TOKEN }: BaseConfig): Loggly | null {
  if (LOGGLY_TOKEN === undefined) return null
  return new Loggly({ tags: ['Winston-NodeJS', name], ...loggly, token: LOGGLY_TOKEN })
}

async function open(config: BaseConfig, { hosts }: ServiceOptions, log: Logger): Promise<OpenCertificates> {
  const { TLS_KEY: key, TLS_CERT: cert, TLS_CA: ca, CERTS_DIR: folder } = config
  const certificates = await openCertificates({ key, cert, ca, folder, hosts })
  for (const notice of certificates.notices) log.warn(notice)
  if (certificates.madeIn !== null) log.info(`Certificates were made in ${certificates.madeIn}`)
  return certificates
}

interface Configuration {
  readonly config: BaseConfig
  readonly notices: readonly string[]
  readonly secrets: readonly string[]
}

function configurationOf({ config, notices = [], secrets = [] }: ServiceOptions): Configuration {
  if (config === undefined) {
    const read = readConfig(baseSchema)
    return {
      config: read.values,
      notices: [...read.notices, ...notices],
      secrets: [...read.secrets, ...secrets]
    }
  }
  const { LOGGLY_TOKEN, ADMIN_TOKEN, REDIS_URL, TLS_TICKET_SECRET } = config
  const known = [LOGGLY_TOKEN, ADMIN_TOKEN, REDIS_URL, TLS_TICKET_SECRET].filter(value => value !== undefined)
  return { config: { ...baseSchema.parse({}), ...config }, notices, secrets: [...known, ...secrets] }
}

function serverOptions(
  { tokens, protocols, defaultPort }: ServiceOptions,
  config: BaseConfig,
  { key, cert, ca, crl }: OpenCertificates,
  http: OtherProtocol
): TokenServerOptions {
  const { HOST, PORT, TLS_MIN_VERSION, TLS_TICKET_SECRET } = config
  const port = PORT ?? defaultPort
  if (port === undefined)
    throw new ServiceError(
      'ERR_CONFIG',
      'Cannot listen: PORT is not set, and this service has no port of its own'
    )
  const others = Object.entries(protocols ?? {}).map(([name, { close, ...protocol }]) => [name, protocol])
  const maxConnections = tokens?.maxConnections ?? MAX_CONNECTIONS
  return {
    handshakeTimeout: HANDSHAKE_TIMEOUT,
    maxConnectRatePerAddress: CONNECT_RATE,
    maxStrangers: Math.ceil(SHARE_OF_STRANGERS * maxConnections),
    minVersion: TLS_MIN_VERSION,
    ...(TLS_TICKET_SECRET !== undefined && { ticketKeys: ticketKeysOf(TLS_TICKET_SECRET) }),
    ...tokens,
    ...addressLimits(config, maxConnections),
    maxConnections,
    port,
    ...(HOST !== undefined && { host: HOST }),
    key,
    cert,
    ca,
    ...(crl !== undefined && { crl }),
    protocols: {
      ...Object.fromEntries(others),
      'http/1.1': http
    }
  }
}

/** Whoever runs a service knows what is in front of it, and wins over who wrote it. */
function addressLimits(
  { MAX_CONNECTIONS_PER_ADDRESS: most, MAX_CONNECT_RATE_PER_ADDRESS: rate }: BaseConfig,
  maxConnections: number
): Pick<TokenServerOptions, 'maxConnectionsPerAddress' | 'maxConnectRatePerAddress'> {
  return {
    // Handshakes count, too.
    ...(most !== undefined && { maxConnectionsPerAddress: most || 2 * maxConnections }),
    ...(rate !== undefined && { maxConnectRatePerAddress: rate || Number.POSITIVE_INFINITY })
  }
}

/** What Node wants: a name, and a key each for signing and for encrypting, 16 bytes each. */
function ticketKeysOf(secret: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', 'token-server tls tickets', 48))
}

/** The first list of revoked certificates may have come by now. One that is gone is an error, and the old one stays. */
function reload(server: TokenServer, { crl }: OpenCertificates, log: Logger): void {
  try {
    server.reload({ ...(crl !== undefined && { crl }) })
    log.info(`${CERTIFICATES_CHANGED}, and are in use`)
  } catch (error) {
    log.error({ err: error }, `${CERTIFICATES_CHANGED}, and can't be used: the old ones stay`)
  }
}

function openAdmin(
  { admin }: ServiceOptions,
  { ADMIN_PORT, ADMIN_HOST, ADMIN_TOKEN }: BaseConfig,
  { log, metrics, readiness }: ServiceParts
): Promise<AdminListener | null> {
  if (ADMIN_PORT === undefined) return Promise.resolve(null)
  const wrong = 'wrong token for the admin listener'
  const wrongTokens = new LimitedLog((_, more) => log.warn({ more }, `${more} times more: ${wrong}`))
  return listenForAdmin({
    host: ADMIN_HOST,
    port: ADMIN_PORT,
    token: ADMIN_TOKEN,
    metrics,
    readiness,
    fetch: admin?.fetch,
    onWrongToken: address => {
      if (wrongTokens.may(wrong)) log.warn({ address }, wrong)
    }
  })
}

/** Balancers see first that it is not ready; then nobody new is let in, and those who are in leave in order. */
async function closePort(
  signal: AbortSignal,
  { protocols = {} }: ServiceOptions,
  { SHUTDOWN_DELAY, SHUTDOWN_TIMEOUT }: BaseConfig,
  { server, http, readiness }: Pick<Service, 'server' | 'http' | 'readiness'>
): Promise<void> {
  readiness.set('service', 'it is shutting down')
  await wait(SHUTDOWN_DELAY, undefined, { signal }).catch(() => {})
  const time = SHARE_OF_DOORS * (SHUTDOWN_TIMEOUT - SHUTDOWN_DELAY)
  const inTime = AbortSignal.any([signal, AbortSignal.timeout(Math.max(time, 0))])
  server.close({ timeout: time })
  const owners = Object.values(protocols).map(async protocol => protocol.close?.(inTime))
  const results = await Promise.allSettled([...owners, http.close(inTime)])
  await server.closed
  for (const result of results) if (result.status === 'rejected') throw result.reason
}
