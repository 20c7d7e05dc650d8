import type { TokenError, TokenErrorCode } from '../../lib'
import type { Play } from './play'

/** What only a peer that breaks the rules, or a wrong call, can cause: never between two sides of this library. */
const DISHONEST: readonly TokenErrorCode[] = [
  'ERR_CONTROL_FRAME',
  'ERR_OPTION',
  'ERR_PROTOCOL',
  'ERR_TOKEN_TOO_LARGE',
  'ERR_TRUNCATED',
  'ERR_TOKEN_TYPE'
]
const DISHONEST_CODES: readonly (string | undefined)[] = [
  'protocol-error',
  'too-large',
  'flow-control',
  'unsupported',
  'internal-error'
]

/** Fails the world when this error can't come between two sides that keep the rules. */
export function expectHonest(world: Pick<Play, 'fail'>, error: TokenError, where: string): void {
  const isBad = DISHONEST.includes(error.code) || DISHONEST_CODES.includes(error.closeCode)
  if (isBad) world.fail(`${where} broke with ${error.code} (${error.closeCode}): ${error.message}`)
}
