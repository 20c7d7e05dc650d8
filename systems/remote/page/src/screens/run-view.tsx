import type { ComponentChildren } from 'preact'
import type { ResultFormat } from '../description'
import { sentences } from '../outcome'
import { useSpoken } from '../parts/spoken'
import { Value } from '../parts/value'
import type { Run } from '../session'

interface RunViewProps {
  /** Of the event, where several share the place. */
  readonly name?: string | undefined
  readonly run: Run
  readonly format: ResultFormat
  readonly onStop: () => void
}

/** What became of a command: is it on its way, done, or failed, and may it have run. */
export function RunView({ name, run, format, onStop }: RunViewProps) {
  const { words } = useSpoken()
  const prefix = name === undefined ? '' : `${name}: `
  switch (run.phase) {
    case 'sending':
      return <Pending words={prefix + words.sending} onStop={onStop} />
    case 'waiting':
      return (
        <Pending words={prefix + words.waiting} onStop={onStop}>
          <Progress value={run.progress} />
        </Pending>
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

function Pending({
  words,
  onStop,
  children
}: {
  words: string
  onStop: () => void
  children?: ComponentChildren
}) {
  const spoken = useSpoken()
  return (
    <div class="result wait">
      <div class="row">
        <span>{words}</span>
        <button type="button" onClick={onStop}>
          {spoken.words.cancel}
        </button>
      </div>
      {children}
    </div>
  )
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
