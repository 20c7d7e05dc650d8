import { JwtError } from './jwt-error'
import type { IssuerOptions, VerifierOptions } from './options'

/** Names and values, as `process.env` holds them. */
export type Environment = Readonly<Record<string, string | undefined>>

export interface CurrentEnvironment {
  /** All that was given, and the new names that old ones stand for. */
  readonly env: Environment
  /** Which old names are in use, and which lost: a sentence each, never with a value. */
  readonly notes: readonly string[]
}

/** The name of today, and those of the seeds. */
const RENAMED: readonly (readonly [string, readonly string[]])[] = [
  ['PORT', ['BROKER_PORT']],
  ['TLS_KEY', ['TLS_KEY_FILE']],
  ['TLS_CERT', ['TLS_CERT_FILE']],
  ['TLS_CA', ['CA_CERT_FILE']],
  ['JWT_SECRET', ['JWT_MASTER_SECRET']]
]

/** A URL whose parts were names of their own. */
interface Joined {
  readonly name: string
  readonly parts: readonly string[]
  readonly url: (env: Environment) => string | undefined
}

const JOINED: readonly Joined[] = [
  {
    name: 'DATABASE_URL',
    parts: ['DB_NAME', 'DB_HOST', 'DB_USERNAME', 'DB_PASSWORD'],
    url: env => databaseUrl(env)
  },
  {
    name: 'REDIS_URL',
    parts: ['REDIS_MQ_HOST', 'REDIS_MQ_PORT', 'REDIS_MQ_POST'],
    url: env => redisUrl(env, 'MQ')
  },
  {
    name: 'REDIS_URL',
    parts: ['REDIS_DB_HOST', 'REDIS_DB_PORT', 'REDIS_DB_POST'],
    url: env => redisUrl(env, 'DB')
  }
]

/**
 * Reads the environment names of the seeds as the names of today. A name of today wins over an old one, and `notes`
 * says so when their values differ. An empty value counts as none.
 *
 * @param env is not changed
 */
export function currentEnvironment(env: Environment): CurrentEnvironment {
  const current: Record<string, string | undefined> = { ...env }
  const notes: string[] = []
  /** By which name a value came to its name of today. */
  const sources = new Map<string, string>()
  const settle = (name: string, old: string, value: string): void => {
    if (!isSet(current[name])) {
      current[name] = value
      sources.set(name, old)
      notes.push(`${old} is an old name: it is read as ${name}`)
    } else if (current[name] !== value) {
      notes.push(`${sources.get(name) ?? name} and ${old} disagree: ${sources.get(name) ?? name} is used`)
    }
  }
  for (const [name, olds] of RENAMED) {
    for (const old of olds) {
      const value = env[old]
      if (isSet(value)) settle(name, old, value)
    }
  }
  for (const { name, parts, url } of JOINED) {
    const value = url(env)
    const given = parts.filter(part => isSet(env[part]))
    if (value !== undefined) settle(name, given.join(', '), value)
    else if (given.length > 0) notes.push(`${given.join(', ')} is not used: the name of the host is missing`)
  }
  return { env: current, notes }
}

export interface EnvironmentVerifierOptions {
  readonly options: VerifierOptions
  readonly notes: readonly string[]
}

/**
 * Reads `JWT_SECRET` (or `JWT_MASTER_SECRET`), `JWT_JWKS_URL`, `AUDIENCE` and `ISSUER` into the options of a verifier. With a
 * secret and a URL there are two issuers; `AUDIENCE` and `ISSUER` hold for both.
 *
 * @param settings `dev` goes on into the options, and is true for secrets of less than 32 bytes
 * @throws JwtError with OPTIONS when there is neither a secret nor a URL
 */
export function verifierOptionsOf(
  environment: Environment,
  { dev = false }: { dev?: boolean } = {}
): EnvironmentVerifierOptions {
  const { env, notes } = currentEnvironment(environment)
  const { JWT_SECRET: secret, JWT_JWKS_URL: jwksUrl, AUDIENCE: audience, ISSUER: issuer } = env
  const rules = {
    ...(isSet(audience) ? { audience } : {}),
    ...(isSet(issuer) ? { issuer } : {})
  }
  const issuers: IssuerOptions[] = []
  if (isSet(secret)) issuers.push({ secret, ...rules })
  if (isSet(jwksUrl)) issuers.push({ jwksUrl, ...rules })
  if (issuers.length === 0) {
    throw new JwtError(
      'ERR_JWT_OPTIONS',
      'Cannot check tokens: neither JWT_SECRET nor JWT_JWKS_URL is set. A good secret: openssl rand -base64 48'
    )
  }
  return { options: { issuers, dev }, notes }
}

function databaseUrl(env: Environment): string | undefined {
  const { DB_NAME: name, DB_HOST: host, DB_USERNAME: user, DB_PASSWORD: password } = env
  if (!isSet(host)) return undefined
  const login = [user, password].filter(isSet).map(encodeURIComponent).join(':')
  return `postgres://${login === '' ? '' : `${login}@`}${host}${isSet(name) ? `/${encodeURIComponent(name)}` : ''}`
}

/** Seed 003 prints `_POST` in one place, and `_PORT` in another. */
function redisUrl(env: Environment, which: 'MQ' | 'DB'): string | undefined {
  const host = env[`REDIS_${which}_HOST`]
  const port = [env[`REDIS_${which}_PORT`], env[`REDIS_${which}_POST`]].find(isSet) ?? '6379'
  return isSet(host) ? `redis://${host}:${port}` : undefined
}

function isSet(value: string | undefined): value is string {
  return value !== undefined && value !== ''
}
