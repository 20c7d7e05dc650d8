import { expect } from 'chai'
import { TokenError } from '../../lib'

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

/** Options as a title shows them. */
export function show(options: object): string {
  return JSON.stringify(options, (_key, value) => (typeof value === 'number' ? String(value) : value))
}
