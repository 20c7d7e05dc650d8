import { signToken, type TokenClaimsOptions, tokenClaims } from '@token-server/identity'

export const SECRET = 'a secret of at least 32 bytes, for tests only'

export function tokenOf(subject: TokenClaimsOptions): Promise<string> {
  return signToken(tokenClaims(subject), { secret: SECRET })
}
