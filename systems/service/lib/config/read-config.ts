import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import type { z } from 'zod'
import { ServiceError } from '../errors/service-error'
import { contradictions } from './contradictions'
import { nearName } from './near-name'
import { type Environment, OLD_NAMES, type OldNames } from './old-names'

const SHOWN_LENGTH = 80

/** A name that sounds like this is a secret, also where its field does not say so. */
const SOUNDS_SECRET = /SECRET|TOKEN|PASS|KEY|CREDENTIAL|URL|DSN/

/** Variables that hold the name of a file, not what is in it. */
const NOT_SECRET: readonly string[] = ['TLS_KEY']

export interface ReadConfigOptions {
  /** Default `process.env`. */
  readonly env?: Environment | undefined
  /** A file of `NAME=value` lines; the environment wins over it. Default `.env`, which may be missing; null: none. */
  readonly envFile?: string | null | undefined
  /** Names of earlier versions that a system has beside those of us all. */
  readonly oldNames?: OldNames | undefined
  /** Says in words which values can't stand together. It gets them as texts, under the names of today. */
  readonly contradictions?: ((env: Environment) => readonly string[]) | undefined
}

export interface Config<Values> {
  readonly values: Readonly<Values>
  /** Sentences for the log: old names that were used, names that look misspelt. */
  readonly notices: readonly string[]
  /** The values that no log may show. */
  readonly secrets: readonly string[]
}

/**
 * Reads the configuration of a server from the environment and from `.env`. A variable that is empty is not set.
 *
 * @param schema `baseSchema`, or what a system made of it with `extend`
 * @throws ServiceError `ERR_CONFIG`, which lists all that is wrong, and no secret's value
 */
export function readConfig<Schema extends z.ZodObject>(
  schema: Schema,
  options: ReadConfigOptions = {}
): Config<z.output<Schema>> {
  const file = readEnvFile(options.envFile)
  const given = { ...file, ...withoutEmpty(options.env ?? process.env) }
  const oldNames = { ...OLD_NAMES, ...options.oldNames }
  const wrong: string[] = []
  const notices: string[] = []
  findMisspelt(given, file, namesOf(schema, oldNames), wrong, notices)
  const env = withOldNames(given, Object.keys(schema.shape), oldNames, notices)

  const parsed = schema.safeParse(env)
  if (!parsed.success) for (const issue of parsed.error.issues) wrong.push(inWords(issue, env, schema))
  wrong.push(...contradictions(env), ...(options.contradictions?.(env) ?? []))
  if (!parsed.success || wrong.length > 0) {
    const lines = [...new Set(wrong)].map(line => `\n  - ${line}`)
    throw new ServiceError('ERR_CONFIG', `Cannot use the configuration:${lines.join('')}`)
  }
  const secrets = Object.keys(schema.shape).flatMap(name => {
    const value = env[name]
    return value !== undefined && isSecret(name, schema) ? [value] : []
  })
  const values = Object.freeze(parsed.data)
  return Object.freeze({ values, notices: Object.freeze(notices), secrets: Object.freeze(secrets) })
}

function readEnvFile(name: string | null = '.env', isGiven = name !== '.env'): Environment {
  if (name === null) return {}
  try {
    const text = readFileSync(name, 'utf8').replace(/^\uFEFF/, '') // editors of Windows write a byte order mark
    return withoutEmpty(parseEnv(text) as Environment)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' && !isGiven) return {}
    throw new ServiceError('ERR_CONFIG', `Cannot read the file ${name}: ${code}`, { cause })
  }
}

function withoutEmpty(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''))
}

function namesOf(schema: z.ZodObject, oldNames: OldNames): ReadonlySet<string> {
  const names = new Set(Object.keys(schema.shape))
  for (const [name, olds] of Object.entries(oldNames))
    if (names.has(name)) for (const old of olds.flatMap(({ names: all }) => all)) names.add(old)
  return names
}

/** The file is ours alone, so that a name near one of ours is wrong; the environment has names of others too. */
function findMisspelt(
  given: Environment,
  file: Environment,
  known: ReadonlySet<string>,
  wrong: string[],
  notices: string[]
): void {
  for (const name of Object.keys(given)) {
    if (known.has(name)) continue
    const meant = nearName(name, known)
    if (meant === null) continue
    if (Object.hasOwn(file, name)) wrong.push(`${name} in the file is no name that is known: ${meant} is one`)
    else if (given[meant] === undefined)
      notices.push(
        `The environment has ${name}, which nobody reads: if it is meant for this server, the name is ${meant}`
      )
  }
}

/** Under the name of today the value of that name, else of the first old one that says something. */
function withOldNames(
  given: Environment,
  names: readonly string[],
  oldNames: OldNames,
  notices: string[]
): Environment {
  const env: Record<string, string | undefined> = { ...given }
  for (const name of names) {
    let winner = name
    for (const old of oldNames[name] ?? []) {
      const value = old.value(given)
      if (value === undefined) continue
      const used = old.names.filter(each => given[each] !== undefined).join(' and ')
      if (env[name] === undefined) {
        env[name] = value
        winner = used
        notices.push(`${name} was taken from ${used}: the old name works, the name of today is ${name}`)
      } else if (env[name] !== value) {
        notices.push(`${used} says something else than ${winner}: ${winner} won`)
      }
    }
  }
  return env
}

function inWords(issue: z.core.$ZodIssue, env: Environment, schema: z.ZodObject): string {
  const name = String(issue.path[0] ?? 'the environment')
  const value = env[name]
  if (value === undefined) return `${name} is not set`
  const must = issue.code === 'invalid_value' ? `must be one of ${issue.values.join(', ')}` : issue.message
  const why = must.startsWith('must ') ? must : `can't be used (${must})`
  return isSecret(name, schema) ? `${name} (not shown) ${why}` : `${name} is ${shown(value)}: it ${why}`
}

function isSecret(name: string, schema: z.ZodObject): boolean {
  if (NOT_SECRET.includes(name)) return false
  return SOUNDS_SECRET.test(name) || saysSecret(schema.shape[name])
}

/** What a field is wrapped in, such as `optional()`, does not take over what `meta` said. */
function saysSecret(field: z.core.$ZodType | undefined): boolean {
  if (field === undefined) return false
  if ((field as z.ZodType).meta?.()?.secret === true) return true
  const { innerType, in: before } = field._zod.def as { innerType?: z.core.$ZodType; in?: z.core.$ZodType }
  return saysSecret(innerType) || saysSecret(before)
}

function shown(value: string): string {
  const text = value.length > SHOWN_LENGTH ? `${value.slice(0, SHOWN_LENGTH)}…` : value
  return JSON.stringify(text)
}
