import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs, parseEnv } from 'node:util'
import { parseDuration } from './duration'
import { type Environment, secretOf } from './environment'
import type { IdentityKind } from './identity'
import { JwtError } from './jwt-error'
import { signToken, tokenClaims } from './sign-token'

const USAGE = `Usage: token-jwt WHO [options]

Prints a token that is signed by HS256.

WHO is one of
  --user ID               a user: the claim user_id
  --user-uuid UUID        a user of the chat: userUUID and sub, with --entity-uuid and --level if you like
  --handler NAME          a handler: the claim handler
  --device NAME           a device; with --user a device of that user

options
  --ttl 1h                how long it is good: 90s, 15m, 1h, 30d (1h)
  --kind KIND             guest or admin
  --name TEXT             a name for people
  --publish PATTERN       a topic that it may publish to, as often as needed; \${id} is its id
  --subscribe PATTERN     one that it may subscribe to
  --entity-uuid UUID      the user's organization
  --level N               the user's level there
  --audience, --issuer    in place of AUDIENCE and ISSUER
  --jti ID                its number (a random UUID)
  --secret-file FILE      the secret; else JWT_SECRET of the environment or of .env
  --dev                   takes a secret of less than 32 bytes
  --help
`

const OPTIONS = {
  user: { type: 'string' },
  'user-uuid': { type: 'string' },
  'entity-uuid': { type: 'string' },
  level: { type: 'string' },
  handler: { type: 'string' },
  device: { type: 'string' },
  kind: { type: 'string' },
  name: { type: 'string' },
  publish: { type: 'string', multiple: true },
  subscribe: { type: 'string', multiple: true },
  ttl: { type: 'string', default: '1h' },
  audience: { type: 'string' },
  issuer: { type: 'string' },
  jti: { type: 'string' },
  'secret-file': { type: 'string' },
  dev: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false }
} as const

/** Where a command runs. */
export interface Surroundings {
  readonly cwd: string
  readonly env: Environment
  readonly print: (text: string) => void
  readonly printError: (text: string) => void
}

/**
 * The command `token-jwt`: the token alone goes to the output, words to the error output. A secret is never read from the
 * command line, where every process of the machine can see it.
 *
 * @returns the exit code
 */
export async function runTokenJwt(args: readonly string[], surroundings: Surroundings): Promise<number> {
  const { print, printError } = surroundings
  try {
    const { values: options } = parseArgs({ args: [...args], options: OPTIONS })
    if (options.help) {
      print(USAGE)
      return 0
    }
    const ttl = parseDuration(options.ttl)
    if (ttl === null) throw wrong(`--ttl is ${shown(options.ttl)}, and must be as 90s, 15m, 1h or 30d`)
    if (options.level !== undefined && !/^-?\d{1,9}$/.test(options.level)) {
      throw wrong(`--level is ${shown(options.level)}, and must be a whole number`)
    }
    const env = { ...dotEnv(surroundings.cwd), ...withoutEmpty(surroundings.env) }
    const claims = tokenClaims({
      userId: options.user,
      userUUID: options['user-uuid'],
      entityUUID: options['entity-uuid'],
      level: options.level === undefined ? undefined : Number(options.level),
      handler: options.handler,
      device: options.device,
      kind: options.kind as IdentityKind | undefined,
      name: options.name,
      publish: options.publish,
      subscribe: options.subscribe,
      ttl,
      tokenId: options.jti,
      audience: options.audience ?? (env.AUDIENCE || undefined),
      issuer: options.issuer ?? (env.ISSUER || undefined)
    })
    const file = options['secret-file']
    const { secret, notes } =
      file === undefined ? secretOf(env) : { secret: secretIn(resolve(surroundings.cwd, file)), notes: [] }
    if (secret === undefined) {
      throw wrong(
        'there is no secret. Set JWT_SECRET in the environment or in .env, or give --secret-file; it must be that of the server'
      )
    }
    for (const note of notes) printError(`${note}\n`)
    print(`${await signToken(claims, { secret, dev: options.dev })}\n`)
    return 0
  } catch (error) {
    if (!(error instanceof JwtError) && !isArgsError(error)) throw error
    printError(`${error.message}\nAll options: token-jwt --help\n`)
    return 1
  }
}

function secretIn(path: string): string {
  try {
    return readText(path).replace(/\r?\n$/, '')
  } catch (error) {
    throw wrong(`--secret-file can't be read: ${(error as NodeJS.ErrnoException).code}`)
  }
}

function dotEnv(cwd: string): Environment {
  try {
    return parseEnv(readText(join(cwd, '.env'))) as Environment
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return {}
    throw wrong(`.env can't be read: ${code}`)
  }
}

/** Editors of Windows write a byte order mark. */
function readText(path: string): string {
  return readFileSync(path, 'utf8').replace(/^\uFEFF/, '')
}

function withoutEmpty(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
}

function isArgsError(error: unknown): error is Error {
  return (
    error instanceof TypeError && String((error as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS')
  )
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 40))
}

function wrong(why: string): JwtError {
  return new JwtError('ERR_JWT_OPTIONS', `Cannot sign a token: ${why}`)
}
