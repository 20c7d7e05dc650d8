import { createClient, type RedisClientOptions } from '@redis/client'

/**
 * A client of Redis for one connection: it neither dials again nor keeps what is asked of it before it is connected.
 *
 * @param connectTimeout milliseconds
 * @param commandOptions of each command
 */
export function redisClient(
  url: string,
  connectTimeout: number,
  commandOptions?: RedisClientOptions['commandOptions']
) {
  return createClient({
    url,
    RESP: 3,
    disableOfflineQueue: true,
    maintNotifications: 'disabled',
    ...(commandOptions && { commandOptions }),
    socket: { reconnectStrategy: false, connectTimeout }
  })
}

/** The code of an error of Node, or the first word of an answer of Redis: neither has a secret in it. */
export function redisReason(error: unknown): string {
  const { code, message = '' } = error as NodeJS.ErrnoException
  const [word = ''] = message.split(' ')
  if (code !== undefined) return code
  return /^[A-Z]{3,20}$/.test(word) ? `Redis says ${word}` : 'the connection was lost'
}
