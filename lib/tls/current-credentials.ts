import type { SecureContextOptions } from 'node:tls'
import { isPromise } from 'node:util/types'
import { TokenError } from '../errors/token-error'
import { ask } from '../runtime/application-call'
import type { Credentials } from './read-credentials'

type Source<Name extends keyof SecureContextOptions> =
  | SecureContextOptions[Name]
  | (() => SecureContextOptions[Name])

/** As {@link Credentials}, or functions that give the value of the moment: from a file that is renewed, say. */
export interface CredentialSources extends Pick<Credentials, 'pfx' | 'passphrase'> {
  /** The private key, or a function that gives it. */
  key?: Source<'key'>
  /** The certificate, or a function that gives it. */
  cert?: Source<'cert'>
  /** The authorities that are trusted, or a function that gives them. */
  ca?: Source<'ca'>
  /** The lists of revoked certificates, or a function that gives them. */
  crl?: Source<'crl'>
}

const NAMES = ['key', 'cert', 'ca', 'crl'] as const

/** The same, without functions. */
export type CurrentCredentials<T extends CredentialSources> = Omit<T, keyof CredentialSources> &
  Pick<SecureContextOptions, keyof CredentialSources>

/**
 * The options with the values that their functions give now.
 *
 * @throws TokenError `ERR_OPTION` when a function throws or gives nothing
 */
export function currentCredentials<T extends CredentialSources>(options: T): CurrentCredentials<T> {
  const current: CredentialSources = { ...options }
  for (const name of NAMES) {
    const source = options[name]
    if (typeof source === 'function') current[name] = sourceValue(name, source) as never
  }
  return current as CurrentCredentials<T>
}

function sourceValue(name: string, source: () => unknown): unknown {
  const demand = `Cannot use option ${name}: its function must give a value`
  const answer = ask(source, isValue, 'ERR_OPTION', demand)
  if (answer instanceof TokenError) throw answer
  return answer
}

function isValue(answer: unknown): answer is NonNullable<unknown> {
  return answer !== undefined && answer !== null && !isPromise(answer)
}
