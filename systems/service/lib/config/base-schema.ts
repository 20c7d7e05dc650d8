import { z } from 'zod'
import { secret, url, wholeNumber } from './fields'

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const

/** The default of `SHUTDOWN_TIMEOUT`, milliseconds. */
export const SHUTDOWN_TIMEOUT = 25_000

/** What the environment may say to each of our servers. A system adds its own names with `baseSchema.extend({ … })`. */
export const baseSchema = z.object({
  NODE_ENV: z.enum(['development', 'test', 'production']).default('development'),

  /** The address to listen on; without it all addresses of the machine. */
  HOST: z.string().optional(),
  /** The one TLS port; without it that of the system. */
  PORT: wholeNumber(0, 65_535).optional(),

  /** Files (PEM). Without TLS_KEY and TLS_CERT certificates are made in CERTS_DIR on the first run. */
  TLS_KEY: z.string().optional(),
  TLS_CERT: z.string().optional(),
  /** The authorities that sign handlers and servers; without it the one in CERTS_DIR. */
  TLS_CA: z.string().optional(),
  TLS_MIN_VERSION: z.enum(['TLSv1.2', 'TLSv1.3']).default('TLSv1.3'),
  CERTS_DIR: z.string().default('certs'),
  /**
   * The same for all processes behind one address that have the same certificate: then a client that comes back to another of them
   * resumes its TLS session, which costs a fraction of a handshake.
   */
  TLS_TICKET_SECRET: secret(32).optional(),

  /** Connections of one address at once, and how often it may connect a second; 0: no bound. Behind a TCP balancer all are one. */
  MAX_CONNECTIONS_PER_ADDRESS: wholeNumber(0, 1_000_000).optional(),
  MAX_CONNECT_RATE_PER_ADDRESS: wholeNumber(0, 1_000_000).optional(),

  /** The bus between processes; without it everything happens in one process. */
  REDIS_URL: url('redis', 'rediss').meta({ secret: true }).optional(),

  LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
  LOGGLY_TOKEN: secret()
    .regex(/^[\w-]+$/, 'must have letters, digits, - and _ only')
    .optional(),
  LOGGLY_SUBDOMAIN: z
    .string()
    .regex(/^[\w-]+$/, 'must have letters, digits, - and _ only')
    .optional(),

  /** Where `/metrics` and the status page are: plain HTTP, on this machine only unless ADMIN_TOKEN is set. */
  ADMIN_HOST: z.string().default('127.0.0.1'),
  /** Without it there is no admin listener; 0 takes a free port. */
  ADMIN_PORT: wholeNumber(0, 65_535).optional(),
  ADMIN_TOKEN: secret(16).optional(),

  /** Milliseconds that a shutdown may take, until the process ends anyway. */
  SHUTDOWN_TIMEOUT: wholeNumber(0, 3_600_000).default(SHUTDOWN_TIMEOUT),
  /** Milliseconds of it in which `/ready` says no and everybody is still served, for balancers to notice. */
  SHUTDOWN_DELAY: wholeNumber(0, 3_600_000).default(0)
})

/** For systems that verify JWTs: `baseSchema.extend(jwtFields)`. What the values must be is the verifier's matter. */
export const jwtFields = {
  JWT_SECRET: secret().optional(),
  JWT_JWKS_URL: url('https', 'http').optional(),
  AUDIENCE: z.string().optional(),
  ISSUER: z.string().optional()
}

export type BaseConfig = z.output<typeof baseSchema>
