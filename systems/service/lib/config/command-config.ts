import { randomBytes } from 'node:crypto'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { z } from 'zod'
import type { BaseConfig } from './base-schema'
import { type Config, readConfig } from './read-config'

/** What the command of a server starts it with. */
export interface CommandConfig<Values> {
  readonly config: Readonly<Values>
  readonly notices: Config<Values>['notices']
  readonly secrets: Config<Values>['secrets']
  /** `--dev` was given: secrets that were not set were made, and it listens on this machine only unless HOST is set. */
  readonly dev: boolean
  /** undefined: somebody else made it, or there is none. */
  readonly madeAdminToken: string | undefined
  /** The file of the authority that clients are to trust. */
  readonly ca: string
}

/**
 * Reads the command line and the configuration of a server.
 *
 * @param usage is printed when `--help` was given
 * @returns undefined: help was asked for
 * @throws ServiceError `ERR_CONFIG`; what `parseArgs` throws
 */
export function readCommandConfig<Schema extends z.ZodObject>(
  args: readonly string[],
  usage: string,
  schema: Schema
): CommandConfig<z.output<Schema>> | undefined {
  const options = { dev: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } as const
  const { values } = parseArgs({ args: [...args], options })
  if (values.help === true) {
    process.stdout.write(usage)
    return undefined
  }
  const dev = values.dev === true
  const { values: given, notices, secrets } = readConfig(schema)
  const config = dev ? { ...devConfig(), ...given } : given
  const { ADMIN_TOKEN, TLS_CA, CERTS_DIR } = config as unknown as BaseConfig
  return {
    config,
    notices,
    secrets,
    dev,
    madeAdminToken: (given as Partial<BaseConfig>).ADMIN_TOKEN === undefined ? ADMIN_TOKEN : undefined,
    ca: TLS_CA ?? resolve(join(CERTS_DIR, 'ca', 'ca.crt'))
  }
}

/** What stands for what the environment does not say. */
function devConfig() {
  const secret = () => randomBytes(32).toString('base64url')
  return { JWT_SECRET: secret(), ADMIN_TOKEN: secret(), ADMIN_PORT: 0, HOST: 'localhost' }
}
