import { expect } from 'chai'
import { CertsError, type CertsErrorCode } from '../../lib'

/** Expects a CertsError with this code and a message of the form "Cannot X: Y". */
export async function expectRefused(
  code: CertsErrorCode,
  attempt: () => unknown,
  part: string | RegExp = ''
): Promise<CertsError> {
  try {
    await attempt()
  } catch (error) {
    if (!(error instanceof CertsError)) throw error
    expect(error.code).to.equal(code)
    expect(error.message).to.match(/^Cannot [^:]+: [^\n]+$/)
    if (part instanceof RegExp) expect(error.message).to.match(part)
    else expect(error.message).to.include(part)
    expect(error.message).to.not.include('PRIVATE KEY')
    return error
  }
  throw new Error(`not refused, though ${code} was expected`)
}
