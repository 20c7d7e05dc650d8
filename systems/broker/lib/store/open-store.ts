import { ClassicLevel } from 'classic-level'
import { MemoryLevel } from 'memory-level'
import { BrokerError } from '../core/broker-error'
import type { Database } from './commit-queue'
import { LevelStore, type LevelStoreOptions } from './level-store'

/**
 * @param folder where the store is kept; undefined: in memory, and lost with the process
 * @throws BrokerError `ERR_BROKER_STORE`: the folder can't be written, or another process has it open
 */
export async function openStore(folder: string | undefined, options: LevelStoreOptions): Promise<LevelStore> {
  const encoding = { keyEncoding: 'utf8', valueEncoding: 'buffer' } as const
  const db: Database =
    folder === undefined
      ? new MemoryLevel<string, Buffer>(encoding)
      : (new ClassicLevel<string, Buffer>(folder, encoding) as Database)
  try {
    await db.open()
  } catch (error) {
    const cause = (error as Error).cause as { code?: string } | undefined
    const why = cause?.code === 'LEVEL_LOCKED' ? 'another process has it open' : 'it cannot be opened'
    throw new BrokerError('ERR_BROKER_STORE', `Cannot use the folder ${folder}: because ${why}`, {
      cause: error
    })
  }
  return new LevelStore(db, options)
}
