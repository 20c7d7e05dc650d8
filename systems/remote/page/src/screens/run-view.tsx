import type { ResultFormat } from '../description'
import { sentences } from '../outcome'
import { useSpoken } from '../parts/spoken'
import { useClock } from '../parts/use-changes'
import { Value } from '../parts/value'
import type { Run, Session } from '../session'
import type { Words } from '../words/words'

interface RunViewProps {
  /** Of the event, where several share the place. */
  readonly name?: string | undefined
  readonly session: Session
  readonly event: string
  readonly format: ResultFormat
}

type PendingRun = Extract<Run, { since: number }>

/** Milliseconds after which the page says how long it has waited. */
const SOON = 5_000

/** What became of a command: is it on its way, done, or failed, and may it have run. */
export function RunView({ name, session, event, format }: RunViewProps) {
  const { words } = useSpoken()
  const run = session.runOf(event)
  const prefix = name === undefined ? '' : `${name}: `
  switch (run?.phase) {
    case undefined:
      return null
    case 'sending':
    case 'waiting':
      return (
        <div class="result wait">
          <div class="row">
            <span>
              {prefix + awaited(words, run, session)} <Elapsed run={run} />
            </span>
            <button type="button" onClick={() => session.stop(event)}>
              {words.cancel}
            </button>
          </div>
          {run.phase === 'waiting' && <Progress value={run.progress} />}
        </div>
      )
    case 'done':
      return (
        <div class="result good">
          {prefix}
          {run.answer === null || run.answer === undefined || format === 'none' ? (
            words.done
          ) : (
            <>
              {words.doneWith} <Value value={run.answer} format={format} />
            </>
          )}
        </div>
      )
    case 'failed':
      return <p class="result bad">{prefix + sentences(words, run.outcome).join(' ')}</p>
  }
}

/** What a command waits for. */
function awaited(words: Words, { phase }: PendingRun, { connection, isReady }: Session): string {
  if (phase === 'waiting') return isReady ? words.waiting : words.waitingAway
  return connection === 'bad-key' ? `${words.notSent} ${words.failures['bad-key']}` : words.sending
}

/** How long it has waited, of how long it may. */
function Elapsed({ run: { since, timeout } }: { run: PendingRun }) {
  const elapsed = useClock(1_000) - since
  return elapsed < SOON ? null : (
    <span class="small" role="timer">
      {inMinutes(elapsed)} / {inMinutes(timeout)}
    </span>
  )
}

function inMinutes(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1_000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}

/** A share of 1, or of 100 as `percent`, is a bar; anything else is shown as it came. */
function Progress({ value }: { value: unknown }) {
  const { words } = useSpoken()
  if (value === undefined) return null
  const share = shareOf(value)
  return share === undefined ? <Value value={value} /> : <progress value={share} aria-label={words.waiting} />
}

function shareOf(value: unknown): number | undefined {
  const percent = (value as { percent?: unknown } | null)?.percent
  const share = typeof percent === 'number' ? percent / 100 : value
  return typeof share === 'number' && share >= 0 && share <= 1 ? share : undefined
}
