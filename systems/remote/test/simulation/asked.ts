import type { RemoteError } from '../../lib/errors/remote-error'

/** What a simulated client asked, and what became of it. */
export interface Asked {
  readonly uid: number
  readonly client: number
  outcome?: { readonly value: unknown } | { readonly error: RemoteError }
  settled: number
}

/** Keeps what becomes of it. @param note is told in a word */
export function follow(asked: Asked, answer: Promise<unknown>, note: (what: string) => void): void {
  answer.then(
    value => {
      asked.settled++
      asked.outcome = { value }
      note('resolved')
    },
    (error: RemoteError) => {
      asked.settled++
      asked.outcome = { error }
      note(`${error.code}/${error.reason ?? ''}/${error.ran}`)
    }
  )
}

/**
 * What is not as it was promised.
 *
 * @param command how often its handler was called, and what that answers; undefined: the device answers by itself
 */
export function faultsOf(
  { uid, client, settled, outcome }: Asked,
  command?: { readonly ran: number; readonly answer: unknown }
): string[] {
  const faults: string[] = []
  const what = `request ${uid} of client ${client}`
  if (settled !== 1) faults.push(`${what} was settled ${settled} times`)
  if (command === undefined) return faults
  const { ran, answer } = command
  if (ran > 1) faults.push(`${what} ran ${ran} times`)
  if (outcome === undefined) return faults
  if ('value' in outcome) {
    if (outcome.value !== answer) faults.push(`${what} got ${JSON.stringify(outcome.value)}`)
    if (ran !== 1) faults.push(`${what} was answered and ran ${ran} times`)
    return faults
  }
  const { code, reason, ran: told, message, stack } = outcome.error
  const said = `${code}/${reason}/${told}: ${message}`
  if (told === 'no' && ran > 0) faults.push(`${what} ran, and was told ${said}`)
  if (told === 'yes' && ran === 0) faults.push(`${what} did not run, and was told ${said}`)
  if (told === undefined) faults.push(`${what} failed with ${stack}`)
  return faults
}
