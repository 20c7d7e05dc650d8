import { expect } from 'chai'
import { JwtError, type JwtErrorCode } from '../../lib'

/** @returns the error with which it was refused; fails when it was not, or by another error */
export async function refusalOf(refused: Promise<unknown> | (() => unknown)): Promise<JwtError> {
  try {
    await (typeof refused === 'function' ? refused() : refused)
  } catch (error) {
    expect(error).to.be.an.instanceOf(JwtError)
    return error as JwtError
  }
  throw new Error('It was not refused')
}

export async function codeOf(refused: Promise<unknown> | (() => unknown)): Promise<JwtErrorCode> {
  return (await refusalOf(refused)).code
}
