import type { Connection } from 'token-server'
import type { Result } from './messages'

/** Small tokens there and back, one at a time: nothing else is on the connection meanwhile. */
export async function measurePings(
  connection: Connection,
  count: number
): Promise<Pick<Result, 'pings' | 'p50' | 'p99'>> {
  const tokens = connection[Symbol.asyncIterator]()
  const ping = Buffer.from('ping')
  const times: number[] = []
  while (times.length < count) {
    const began = performance.now()
    connection.send(ping)
    const { done } = await tokens.next()
    if (done) throw new Error('Cannot measure pings: the server ended the connection')
    times.push(performance.now() - began)
  }
  await tokens.return?.()
  times.sort((a, b) => a - b)
  return { pings: count, p50: percentile(times, 50), p99: percentile(times, 99) }
}

/** The smallest value that at least `percent` percent do not exceed. */
function percentile(sorted: number[], percent: number): number {
  return sorted[Math.ceil((sorted.length * percent) / 100) - 1] as number
}
