import { baseSchema, jwtFields, wholeNumber } from '@token-server/service'
import { z } from 'zod'

/** Patterns separated by commas. */
const patterns = z.string().transform(text => text.split(',').map(pattern => pattern.trim()))

/** What the environment may say to the broker: names of all our servers, of the JWT, and its own. */
export const brokerSchema = baseSchema.extend({
  ...jwtFields,
  /** The folder of sessions, queues, retained messages and wills; `memory` keeps them in memory. */
  STORE_DIR: z.string().min(1).default('broker-data'),
  /** `always`: each commit waits for the disk. */
  STORE_SYNC: z.enum(['always', 'never']).default('never'),
  /** Patterns of further topics that devices may publish to. */
  COMMANDS: patterns.optional(),
  /** Whether a handler by the token door needs a certificate of our authority; `optional`: or a JWT alone. */
  TOKEN_CERTIFICATE: z.enum(['required', 'optional']).default('required'),
  MAX_CONNECTIONS: wholeNumber(1, 1_000_000).default(50_000),
  MAX_PACKET_BYTES: wholeNumber(1, 268_435_455).optional(),
  MAX_PUBLISH_RATE: wholeNumber(1, 1_000_000).optional()
})

export type BrokerConfig = z.output<typeof brokerSchema>
