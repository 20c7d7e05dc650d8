import { randomUUID } from 'node:crypto'
import type { Database } from './commit-queue'

/** The id of the last broker of a database. */
const LAST = 'last-broker'

const RADIX = 36
const DIGITS = 9

/** @param last that of an earlier broker, behind which it sorts, also when the clock was set back since */
export function sortableId(last = ''): string {
  const lastTime = Number.parseInt(last.slice(0, DIGITS), RADIX) || 0
  const time = Math.max(Date.now(), lastTime + 1)
  return `${time.toString(RADIX).padStart(DIGITS, '0')}-${randomUUID()}`
}

/** An id that sorts behind those of earlier starts: queues are sorted by the id of the broker first. */
export async function takeBrokerId(db: Database): Promise<string> {
  const id = sortableId((await db.get(LAST))?.toString())
  await db.batch([{ type: 'put', key: LAST, value: Buffer.from(id) }], {})
  return id
}
