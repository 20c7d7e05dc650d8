import { checkErrors, watchErrors } from './secrets'

watchErrors()

/** For mocha: no error that a test of this process causes shows a key or a passphrase. */
export const mochaHooks = {
  afterEach: checkErrors
}
