import { baseSchema, jwtFields, onOrOff, wholeNumber } from '@token-server/service'
import { z } from 'zod'
import { DEFAULT_LIMITS, type RelayLimits } from '../relay/relay-limits'

/** Origins, separated by commas; `same`: that of this port alone; `*`: all. */
const origins = z
  .string()
  .transform(text => text.split(',').map(origin => origin.trim()))
  .transform(list => (list.length === 1 && (list[0] === 'same' || list[0] === '*') ? list[0] : list))

/** What the environment may say to a relay: names of all our servers, of the JWT, and its own. */
export const relaySchema = baseSchema.extend({
  ...jwtFields,
  /** Whether devices may register without a JWT. */
  OPEN_DEVICES: onOrOff().default(false),
  /** Whether whoever connects over tokens needs a certificate of our authority, or a JWT or a tag alone will do. */
  TOKEN_CERTIFICATE: z.enum(['required', 'optional']).default('optional'),
  /** From which pages a browser may connect. */
  ORIGINS: origins.default('same'),
  /** Of all kinds together. */
  MAX_CONNECTIONS: wholeNumber(1, 1_000_000).default(20_000),
  MAX_CLIENTS: wholeNumber(1, 1_000_000).optional(),
  MAX_CLIENTS_PER_DEVICE: wholeNumber(1, 1_000_000).optional(),
  MAX_CLIENTS_PER_IDENTITY: wholeNumber(1, 1_000_000).optional(),
  MAX_DEVICES: wholeNumber(1, 1_000_000).optional(),
  MAX_DEVICES_PER_IDENTITY: wholeNumber(1, 1_000_000).optional(),
  MAX_FRAMES_PER_SECOND: wholeNumber(1, 1_000_000).optional(),
  MAX_BYTES_PER_SECOND: wholeNumber(1, 1_000_000_000).optional(),
  MAX_FRAME_BYTES: wholeNumber(1_024, 67_108_864).optional(),
  MAX_WAITING_BYTES: wholeNumber(1_024, 1_000_000_000).optional(),
  /** One-shot requests of one address; behind a TCP balancer all come from one. */
  MAX_ONCE_PER_SECOND: wholeNumber(1, 1_000_000).optional(),
  JOIN_GRACE: wholeNumber(1, 60_000).optional()
})

export type RelayConfig = z.output<typeof relaySchema>

const NAMES = {
  MAX_CLIENTS: 'maxClients',
  MAX_CLIENTS_PER_DEVICE: 'maxClientsPerDevice',
  MAX_CLIENTS_PER_IDENTITY: 'maxClientsPerIdentity',
  MAX_DEVICES: 'maxDevices',
  MAX_DEVICES_PER_IDENTITY: 'maxDevicesPerIdentity',
  MAX_FRAMES_PER_SECOND: 'maxFramesPerSecond',
  MAX_BYTES_PER_SECOND: 'maxBytesPerSecond',
  MAX_FRAME_BYTES: 'maxFrameBytes',
  MAX_WAITING_BYTES: 'maxWaitingBytesInAll',
  MAX_ONCE_PER_SECOND: 'maxOncePerSecond',
  JOIN_GRACE: 'joinGrace'
} as const satisfies Partial<Record<keyof RelayConfig, keyof RelayLimits>>

/** The limits that the environment sets, and the defaults of all others. */
export function limitsOf(config: Partial<RelayConfig>): RelayLimits {
  const limits: { -readonly [name in keyof RelayLimits]: number } = { ...DEFAULT_LIMITS }
  for (const [name, limit] of Object.entries(NAMES) as [keyof typeof NAMES, keyof RelayLimits][])
    limits[limit] = config[name] ?? limits[limit]
  return limits
}
