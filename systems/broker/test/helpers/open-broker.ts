import { createVerifier, type Identity } from '@token-server/identity'
import type { BrokerOptions } from '../../lib'
import { SECRET } from './test-broker'

/** Everybody is a handler without a token: for the suites of others, whose clients have none. */
export function openToAll(): Partial<BrokerOptions> {
  const everybody: Identity = {
    id: 'everybody',
    kind: 'handler',
    publish: ['#', '$TopicA/#'],
    expiresAt: Date.now() + 86_400_000
  }
  return {
    verifier: createVerifier({ issuers: { secret: SECRET } }),
    authenticate: () => Promise.resolve(everybody)
  }
}
