import { JwtError } from './jwt-error'
import { checkedSecret, checkedUrl, type IssuerOptions, type VerifierOptions } from './options'

/** Names and values, as `process.env` holds them. An empty value counts as none. */
export type Environment = Readonly<Record<string, string | undefined>>

export interface EnvironmentOptions {
  readonly options: VerifierOptions
  /** For the log: which old name is in use or has lost, what is left open. A sentence each, never with a secret. */
  readonly notes: readonly string[]
}

/**
 * Reads `JWT_SECRET` (or `JWT_MASTER_SECRET`), `JWT_JWKS_URL`, `AUDIENCE` and `ISSUER` into the options of a verifier. With a
 * secret and a URL there are two issuers; `AUDIENCE` and `ISSUER` hold for both.
 *
 * @param settings `dev` goes on into the options: secrets of less than 32 bytes are good enough then
 * @throws JwtError with OPTIONS when there is neither a secret nor a URL, and for one that can't be used, by the name of its variable
 */
export function verifierOptionsOf(
  env: Environment,
  { dev = false }: { readonly dev?: boolean } = {}
): EnvironmentOptions {
  const { secret, name, notes } = secretOf(env)
  const { JWT_JWKS_URL: jwksUrl, AUDIENCE: audience, ISSUER: issuer } = env
  const rules = { ...(audience ? { audience } : {}), ...(issuer ? { issuer } : {}) }
  const issuers: IssuerOptions[] = []
  if (secret !== undefined) {
    checkedSecret(name, secret, dev)
    issuers.push({ secret, ...rules })
  }
  if (jwksUrl) {
    checkedUrl('JWT_JWKS_URL', jwksUrl)
    issuers.push({ jwksUrl, ...rules })
  }
  if (issuers.length === 0) {
    throw new JwtError(
      'ERR_JWT_OPTIONS',
      'Cannot check tokens: neither JWT_SECRET nor JWT_JWKS_URL is set. A good secret: openssl rand -base64 48'
    )
  }
  if (jwksUrl && !audience) {
    notes.push(
      'JWT_JWKS_URL is set and AUDIENCE is not: a token that its issuer made for another application is accepted as well'
    )
  }
  return { options: { issuers, dev }, notes }
}

/** `JWT_SECRET`, or what seed 004 called `JWT_MASTER_SECRET`; the name of today wins. */
export function secretOf(env: Environment): {
  secret: string | undefined
  /** The variable that has it. */
  name: string
  notes: string[]
} {
  const { JWT_SECRET: secret, JWT_MASTER_SECRET: old } = env
  const [today, before] = ['JWT_SECRET', 'JWT_MASTER_SECRET']
  if (!old) return { secret: secret || undefined, name: today, notes: [] }
  if (!secret)
    return { secret: old, name: before, notes: [`${before} is an old name: it is read as ${today}`] }
  const isSame = secret === old
  return {
    secret,
    name: today,
    notes: isSame ? [] : [`${today} and ${before} disagree: ${today} is used`]
  }
}
