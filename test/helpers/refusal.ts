import { expect } from 'chai'
import { TokenError } from '../../lib'
import { anything, type Check } from '../../lib/options/checks'

/** The TokenError that `run` throws. */
export function refusal(run: () => unknown): TokenError {
  try {
    run()
  } catch (error) {
    expect(error).to.be.instanceOf(TokenError)
    return error as TokenError
  }
  throw new Error('nothing was refused')
}

/** What a promise is rejected with. */
export async function rejection(promise: Promise<unknown>): Promise<TokenError> {
  try {
    await promise
  } catch (error) {
    return error as TokenError
  }
  throw new Error('it did not reject')
}

/** Options as a title shows them. */
export function show(options: object): string {
  return JSON.stringify(options, (_key, value) => (typeof value === 'number' ? String(value) : value))
}

/** Expects ERR_OPTION, with a message that begins with the name of the option. */
export function refusesOption(run: () => unknown, name: string): TokenError {
  const error = refusal(run)
  expect([error.code, error.message.split(': it ')[0]]).to.deep.equal([
    'ERR_OPTION',
    `Cannot use option ${name}`
  ])
  return error
}

/** Values that no option of the kind takes; one of them can't even be printed. */
export function wrongFor(check: Check | undefined): unknown[] {
  if (check === anything) return []
  const loud = {
    toString(): string {
      throw new Error('printed')
    }
  }
  const wrong: unknown[] = [null, Number.NaN, -1, 1n, Symbol('x'), '']
  return check?.(loud) === null ? wrong : [...wrong, loud]
}
