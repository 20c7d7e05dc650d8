import { SHUTDOWN_TIMEOUT } from './base-schema'
import type { Environment } from './old-names'

const LOOPBACK: readonly (string | undefined)[] = [undefined, '127.0.0.1', '::1', '[::1]', 'localhost']

/** Says in words which values of {@link baseSchema} can't stand together. */
export function contradictions(env: Environment): string[] {
  const found: string[] = []
  if (env.TLS_KEY && !env.TLS_CERT)
    found.push('TLS_KEY is set and TLS_CERT is not: a server needs both, or neither')
  if (env.TLS_CERT && !env.TLS_KEY)
    found.push('TLS_CERT is set and TLS_KEY is not: a server needs both, or neither')
  if (env.LOGGLY_SUBDOMAIN && !env.LOGGLY_TOKEN)
    found.push('LOGGLY_SUBDOMAIN is set and LOGGLY_TOKEN is not: nothing would be sent')
  if (env.ADMIN_PORT === undefined) {
    for (const name of ['ADMIN_HOST', 'ADMIN_TOKEN'])
      if (env[name]) found.push(`${name} is set and ADMIN_PORT is not: there would be no admin listener`)
  } else {
    if (!LOOPBACK.includes(env.ADMIN_HOST) && !env.ADMIN_TOKEN)
      found.push('ADMIN_HOST is not this machine alone, and ADMIN_TOKEN is not set: anybody could read it')
    if (env.ADMIN_PORT !== '0' && env.ADMIN_PORT === env.PORT)
      found.push('ADMIN_PORT is the same as PORT: each needs its own')
  }
  if (Number(env.SHUTDOWN_DELAY ?? 0) > Number(env.SHUTDOWN_TIMEOUT ?? SHUTDOWN_TIMEOUT))
    found.push('SHUTDOWN_DELAY is longer than SHUTDOWN_TIMEOUT: no time would be left')
  return found
}
