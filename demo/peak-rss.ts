import { readFileSync } from 'node:fs'

/** The most memory this process has held at once (resident set size), bytes. */
export function peakRss(): number {
  return 1024 * (highWaterMark() ?? process.resourceUsage().maxRSS)
}

/** Linux's VmHWM, KiB; `maxRSS` can include the program that forked this one. */
function highWaterMark(): number | undefined {
  try {
    const found = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))
    return found ? Number(found[1]) : undefined
  } catch {
    return undefined
  }
}
