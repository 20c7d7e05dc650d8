import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import type { OtherProtocol, TokenServerOptions } from 'token-server'
import type { Bus } from '../bus/bus'
import type { BaseConfig } from '../config/base-schema'
import type { Readiness } from '../health/readiness'
import { type Fetch, HTTP_CHECKS, type HttpDoorOptions } from '../http/http-door'
import type { LoggerOptions } from '../logging/create-logger'
import type { LogglyOptions } from '../logging/loggly'
import {
  type Checks,
  has,
  isAnything,
  isFlag,
  isFunction,
  isObject,
  isText,
  listOf,
  needed,
  only,
  wholeNumber
} from '../options/check-options'
import type { Shutdown } from '../shutdown/shutdown'

/** A protocol beside tokens and HTTP on the port, by its ALPN name; `mqtt` is known by its first bytes, too. */
export interface ServiceProtocol extends OtherProtocol {
  /** Ends its sockets in order when the service shuts down; those that are left when the signal aborts are destroyed. */
  readonly close?: ((signal: AbortSignal) => unknown) | undefined
}

/** What a service has before it listens. */
export interface ServiceParts {
  readonly name: string
  readonly log: Logger
  readonly metrics: Registry
  readonly readiness: Readiness
  /** Ends it in order: a system adds its own steps. */
  readonly shutdown: Shutdown
  /** To the other processes of this name, where REDIS_URL is set. */
  readonly bus: Bus
}

export interface ServiceOptions {
  /** Stands in each line of the log and in each metric. */
  readonly name: string
  /** What `readConfig` gave. Default: what it says of the environment of this process. */
  readonly config?: Partial<BaseConfig> | undefined
  /** Sentences for the log, as `readConfig` gives them. */
  readonly notices?: readonly string[] | undefined
  /** Values that must stand in no line of the log, as `readConfig` gives them. */
  readonly secrets?: readonly string[] | undefined
  /** Is listened on when the configuration has no PORT. */
  readonly defaultPort?: number | undefined
  /** Options of the `TokenServer`; where to listen, the certificates and the other protocols are the service's matter. */
  readonly tokens?:
    | Omit<TokenServerOptions, 'host' | 'port' | 'path' | 'fd' | 'key' | 'cert' | 'ca' | 'crl' | 'protocols'>
    | undefined
  readonly protocols?: Readonly<Record<string, ServiceProtocol>> | undefined
  /** HTTP and WebSocket. `/health` and `/ready` are there anyway. Clients need no certificate unless `clientCertificate` says so. */
  readonly http?:
    | (Omit<HttpDoorOptions, 'routes'> & {
        readonly clientCertificate?: 'required' | 'optional' | undefined
        /** Milliseconds without a byte in either direction. Default 120,000: a stream of events needs a sign of life. */
        readonly idleTimeout?: number | undefined
      })
    | undefined
  /** More pages on the admin listener, behind its token. */
  readonly admin?: { readonly fetch: Fetch } | undefined
  /** Names and addresses for a certificate that is made. Default: localhost, 127.0.0.1, ::1 and this machine's name. */
  readonly hosts?: readonly string[] | undefined
  /** Is waited for before the port opens: to open a store, to listen to the bus. What it throws ends the start. */
  readonly prepare?: ((parts: ServiceParts) => unknown) | undefined
  /** More about Loggly, which gets the log when LOGGLY_TOKEN is set. */
  readonly loggly?: Partial<LogglyOptions> | undefined
  /** Where the log goes. Default: standard output. */
  readonly logTo?: LoggerOptions['destination']
  /** To the other processes; it ends with the service. Default: one to `REDIS_URL`, or within this process. */
  readonly bus?: Bus | undefined
  /** Default: a new one with the metrics of Node. */
  readonly metrics?: Registry | undefined
  /** Ends the service on SIGTERM and SIGINT. Default true. */
  readonly signals?: boolean | undefined
}

export const SERVICE_CHECKS: Checks<ServiceOptions> = {
  name: needed(isText),
  config: isObject,
  notices: listOf(isText),
  secrets: listOf(isText),
  defaultPort: wholeNumber(0, 65_535),
  tokens: isObject,
  protocols: value =>
    isObject(value) ??
    ('http/1.1' in (value as object) ? 'an object with http/1.1, which http serves' : undefined),
  http: {
    ...HTTP_CHECKS,
    clientCertificate: only('required', 'optional'),
    idleTimeout: isAnything
  } satisfies Checks<NonNullable<ServiceOptions['http']>>,
  admin: { fetch: needed(isFunction) } satisfies Checks<NonNullable<ServiceOptions['admin']>>,
  hosts: listOf(isText),
  prepare: isFunction,
  loggly: isObject,
  logTo: has('write'),
  bus: has('publish', 'subscribe', 'flush', 'close'),
  metrics: has('registerMetric', 'metrics'),
  signals: isFlag
}
