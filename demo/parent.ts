import type { FromClient, FromServer } from './messages'
import { peakRss } from './peak-rss'

/** Tells the program that started this one. */
export function tell(message: FromServer | FromClient): void {
  process.send?.(message)
}

/**
 * Runs a child's work: ends without a trace when the parent is gone, leaves Ctrl-C to the parent, and tells a
 * failure as one line.
 */
export async function runAsChild(work: () => Promise<void>): Promise<void> {
  const leave = () => process.exit(1)
  process.on('disconnect', leave)
  process.on('SIGINT', () => {})
  try {
    await work()
    tell({ kind: 'ended', peakRss: peakRss() })
  } catch (error) {
    tell({ kind: 'failed', message: error instanceof Error ? error.message : String(error) })
    process.exitCode = 1
  }
  process.off('disconnect', leave)
  process.disconnect()
}
