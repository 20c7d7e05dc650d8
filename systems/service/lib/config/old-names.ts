/** The variables of an environment, as they are after `.env` was read. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Variables of earlier versions, which together give the value of one of today. */
export interface OldName {
  readonly names: readonly string[]
  /** @returns undefined when they say nothing */
  value(env: Environment): string | undefined
}

/** By the name of today; of several the first that says something counts. */
export type OldNames = Readonly<Record<string, readonly OldName[]>>

export const OLD_NAMES: OldNames = {
  PORT: [renamed('BROKER_PORT')],
  TLS_KEY: [renamed('TLS_KEY_FILE')],
  TLS_CERT: [renamed('TLS_CERT_FILE')],
  TLS_CA: [renamed('CA_CERT_FILE')],
  JWT_SECRET: [renamed('JWT_MASTER_SECRET')],
  REDIS_URL: [redisAt('REDIS_MQ'), redisAt('REDIS_DB')],
  DATABASE_URL: [{ names: ['DB_HOST', 'DB_NAME', 'DB_USERNAME', 'DB_PASSWORD'], value: postgresUrl }]
}

/** One variable that had another name. */
export function renamed(name: string): OldName {
  return { names: [name], value: env => env[name] }
}

/** The README of the first broker misspelt the port as `…_POST`, and people copied that. */
function redisAt(prefix: string): OldName {
  const [host, port, misspelt] = [`${prefix}_HOST`, `${prefix}_PORT`, `${prefix}_POST`]
  return {
    names: [host, port, misspelt],
    value: env => env[host] && `redis://${hostInUrl(env[host])}:${env[port] ?? env[misspelt] ?? 6379}`
  }
}

function postgresUrl(env: Environment): string | undefined {
  const { DB_HOST: host, DB_NAME: name, DB_USERNAME: user = '', DB_PASSWORD: password = '' } = env
  if (host === undefined || name === undefined) return undefined
  const who = [user, password].filter(Boolean).map(encodeURIComponent).join(':')
  return `postgres://${who}${who && '@'}${hostInUrl(host)}/${encodeURIComponent(name)}`
}

function hostInUrl(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}
