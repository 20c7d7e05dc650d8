import type { Socket } from 'node:net'
import { createVerifier, type Verifier, verifierOptionsOf } from '@token-server/identity'
import { createService, type Service, type ServiceOptions } from '@token-server/service'
import { toBase64url } from '../encoding/base64url'
import { RemoteError } from '../errors/remote-error'
import { Relay } from '../relay/relay'
import type { RelayLimits } from '../relay/relay-limits'
import { WEB_SOCKET_PATH } from '../transport/address'
import { NUMBER_LENGTH } from '../transport/frame-order'
import { LINK_LIMITS, type LinkLimits } from '../transport/link-limits'
import { TokenServerLink } from '../transport/node-token-link'
import { NodeWebSocketLink } from '../transport/node-web-socket'
import { pageApp } from './page-app'
import { relayApp } from './relay-app'
import { limitsOf, type RelayConfig } from './relay-config'
import { relayMetrics } from './relay-metrics'
import { RequestBodies } from './request-bodies'
import { LEAVING, type Visitor, type VisitorLimits, Visitors } from './visitors'
import { type AboutRequest, webRoutes } from './web-routes'

const DEFAULT_PORT = 8443

export interface StartRelayOptions
  extends Pick<ServiceOptions, 'bus' | 'notices' | 'secrets' | 'logTo' | 'signals' | 'hosts'> {
  /** What `readConfig(relaySchema)` gave. */
  readonly config: Partial<RelayConfig>
  /** Instead of those of the configuration. */
  readonly limits?: Partial<RelayLimits> | undefined
  /** Lets secrets of less than 32 bytes sign tokens. */
  readonly dev?: boolean | undefined
  /** Instead of the phone page of this package, where nothing else is. */
  readonly page?: ((request: Request) => Promise<Response | undefined>) | undefined
}

/** A relay that listens. */
export interface RunningRelay {
  readonly relay: Relay
  readonly service: Service
  /** Undefined: there is no secret and no URL of keys, and clients come in by admission tag alone. */
  readonly verifier: Verifier | undefined
}

/**
 * Starts a relay on one TLS port: WebSocket at `/remote` and tokens, for devices and clients; HTTPS for requests without a connection,
 * and for the phone page.
 *
 * @throws (rejects) ServiceError, JwtError, TokenError, RemoteError: what the configuration or the machine does not allow
 */
export async function startRelay(options: StartRelayOptions): Promise<RunningRelay> {
  const {
    config,
    dev = false,
    notices = [],
    secrets = [],
    limits: given,
    page = pageApp(),
    ...others
  } = options
  const limits = { ...limitsOf(config), ...given }
  const linkLimits = linkLimitsOf(limits)
  const { verifier, notes } = verifierOf(config, dev)
  let relay: Relay | undefined
  const visitors = new Visitors(visitorLimitsOf(config))
  const maxConnections = visitors.limits.maxConnections + LEAVING
  const accept = (
    link: NodeWebSocketLink | TokenServerLink,
    address: string | undefined,
    visitor: Visitor
  ) => {
    if (relay === undefined) link.close('the relay is starting')
    else relay.accept(link, { address, onTrust: () => visitor.proved() })
  }
  const routes = webRoutes({
    once: (device, frame, about) => once(relay, device, frame, about),
    notice: async (device, { proof, address }) => {
      const found = await relay?.notice(device, proof, { address })
      return found && { publicKey: toBase64url(found.publicKey), online: found.online }
    },
    invitation: async (place, about) => await relay?.takeInvitation(place, about),
    bodies: new RequestBodies({
      maxBytes: limits.maxFrameBytes,
      maxBytesPerAddress: limits.maxBodyBytesPerAddress,
      maxBytesInAll: limits.maxBodyBytesInAll,
      timeout: limits.bodyTimeout
    }),
    page
  })
  let service: Service
  try {
    service = await createService({
      ...others,
      name: 'remote',
      config,
      notices: [...notices, ...notes],
      secrets: [...secrets, ...(config.JWT_SECRET === undefined ? [] : [config.JWT_SECRET])],
      defaultPort: DEFAULT_PORT,
      tokens: tokenOptionsOf(config, maxConnections, limits, linkLimits),
      http: {
        fetch: routes,
        admit: socket => visitors.enter(socket) !== undefined,
        webSockets: {
          [WEB_SOCKET_PATH]: {
            onConnection: (socket, { socket: accepted }) => {
              const visitor = visitors.of(accepted)
              if (visitor === undefined) socket.terminate()
              else
                accept(new NodeWebSocketLink(socket, linkLimits, accepted), accepted.remoteAddress, visitor)
            },
            maxPayloadBytes: linkLimits.maxFrameBytes,
            heartbeatInterval: linkLimits.heartbeat,
            maxConnections,
            origins: (config.ORIGINS ?? 'same') as 'same' | '*' | readonly string[]
          }
        }
      },
      admin: {
        fetch: (request, env) =>
          relay === undefined
            ? new Response(null, { status: 503 })
            : config.ADMIN_TOKEN === undefined
              ? new Response('Set ADMIN_TOKEN to see devices and clients.\n', { status: 403 })
              : relayApp(relay)(request, env)
      },
      prepare: async ({ bus, log, shutdown }) => {
        const prepared = new Relay({ bus, log, limits, verifier, openDevices: config.OPEN_DEVICES ?? false })
        relay = prepared
        // After the port and before the bus, also when the port can't be listened on.
        shutdown.add('the relay', () => prepared.close())
        if (options.bus === undefined && config.REDIS_URL !== undefined) await firstOf(bus.ready)
      }
    })
  } catch (error) {
    verifier?.close()
    throw error
  }
  const running = relay as unknown as Relay
  service.server.on('connection', connection => {
    const visitor = visitors.enter(connection.socket as Socket)
    if (visitor !== undefined)
      accept(new TokenServerLink(connection, linkLimits), connection.remoteAddress ?? undefined, visitor)
  })
  relayMetrics(running, service.metrics)
  if (verifier !== undefined) service.shutdown.add('the verifier', () => verifier.close(), 'outputs')
  return { relay: running, service, verifier }
}

/** A Redis that is away keeps a relay from nothing but the others. */
async function firstOf(ready: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>(resolve => {
    timer = setTimeout(resolve, 5_000)
  })
  await Promise.race([ready.catch(() => undefined), late])
  clearTimeout(timer)
}

function verifierOf(
  { JWT_SECRET, JWT_JWKS_URL, AUDIENCE, ISSUER, OPEN_DEVICES }: Partial<RelayConfig>,
  dev: boolean
): { readonly verifier: Verifier | undefined; readonly notes: readonly string[] } {
  const isNone = JWT_SECRET === undefined && JWT_JWKS_URL === undefined
  if (isNone && OPEN_DEVICES === true)
    return {
      verifier: undefined,
      notes: ['No JWT is good here, for there is no JWT_SECRET: whoever has a key of a device reaches it']
    }
  const { options, notes } = verifierOptionsOf({ JWT_SECRET, JWT_JWKS_URL, AUDIENCE, ISSUER }, { dev })
  return { verifier: createVerifier(options), notes }
}

async function once(
  relay: Relay | undefined,
  device: string,
  frame: () => Promise<Uint8Array>,
  { proof, address, signal }: AboutRequest & { readonly signal: AbortSignal }
): Promise<Uint8Array> {
  const result = await relay?.once(device, frame, proof, { address, signal })
  if (result !== undefined && 'answer' in result) return result.answer
  const cannot = 'Cannot bring a request to the device'
  switch (result?.failed) {
    case 'unknown-device':
      throw new RemoteError('disconnected', `${cannot}: because it is not there`, {
        reason: 'unknown-device'
      })
    case 'timeout':
      throw new RemoteError('timeout', `${cannot}: because no answer came in time`, { ran: 'maybe' })
    case 'offline':
      throw new RemoteError('disconnected', `${cannot}: because it is away`, { reason: 'device-offline' })
    case 'malformed':
      throw new RemoteError('refused', `${cannot}: because it is none`, { reason: 'malformed' })
    default:
      throw new RemoteError('refused', `${cannot}: because there are too many`, { reason: 'busy' })
  }
}

/** The relay's own bounds are reached first. */
function linkLimitsOf({ maxFrameBytes, maxDeviceWaitingBytes }: RelayLimits): LinkLimits {
  return { ...LINK_LIMITS, maxFrameBytes, maxBufferedBytes: maxDeviceWaitingBytes + maxFrameBytes }
}

/** The port's own bounds, which count the first 64 bits of an IPv6 address as one. */
function visitorLimitsOf({
  MAX_CONNECTIONS: maxConnections = 20_000,
  MAX_CONNECTIONS_PER_ADDRESS: most,
  MAX_CONNECT_RATE_PER_ADDRESS: rate
}: Partial<RelayConfig>): VisitorLimits {
  return {
    maxConnections,
    // Behind a balancer all have one address.
    ...(most === 0 && { maxUnprovenPerAddress: maxConnections }),
    ...(rate !== undefined && { maxConnectRatePerAddress: rate || Number.POSITIVE_INFINITY })
  }
}

function tokenOptionsOf(
  config: Partial<RelayConfig>,
  maxConnections: number,
  { maxFrameBytes }: RelayLimits,
  { maxBufferedBytes, highWaterBytes, heartbeat }: LinkLimits
): ServiceOptions['tokens'] {
  const isOptional = config.TOKEN_CERTIFICATE !== 'required'
  return {
    protocol: 'token/2',
    maxConnections,
    maxTokenLength: maxFrameBytes + NUMBER_LENGTH,
    outboxBytes: maxBufferedBytes + maxFrameBytes,
    highWaterMark: highWaterBytes,
    heartbeat,
    rejectUnauthorized: !isOptional,
    // Clients without a certificate share one identity there; the relay counts those of each subject.
    ...(isOptional ? { maxConnectionsPerIdentity: maxConnections, maxStrangers: maxConnections } : {})
  }
}
