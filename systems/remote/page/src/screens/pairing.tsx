import { useEffect, useId, useRef, useState } from 'preact/hooks'
import { type PairingSource, pair } from '../doors'
import { failureOf, type Outcome, sentences } from '../outcome'
import { Heading } from '../parts/heading'
import { fill, useSpoken } from '../parts/spoken'
import type { DeviceRecord } from '../records'

interface PairingProps {
  readonly source: PairingSource
  /** What is paired with, in short. */
  readonly title: string
  readonly onPaired: (record: DeviceRecord) => void
  readonly onCancel: () => void
}

/** Asks what this phone is called, and makes a key of its own with the device. */
export function Pairing({ source, title, onPaired, onCancel }: PairingProps) {
  const { words } = useSpoken()
  const id = useId()
  const [name, setName] = useState(words.pairingNameDefault)
  const [isUnderWay, setUnderWay] = useState(false)
  const [failure, setFailure] = useState<Outcome>()
  const stop = useRef(new AbortController())
  useEffect(() => () => stop.current.abort(), [])

  async function begin(): Promise<void> {
    const { signal } = stop.current
    setFailure(undefined)
    setUnderWay(true)
    try {
      const record = await pair(source, name.trim() || words.pairingNameDefault, signal)
      if (!signal.aborted) onPaired(record)
    } catch (error) {
      if (!signal.aborted) setFailure(inWords(failureOf(error), 'code' in source))
    }
    setUnderWay(false)
  }

  return (
    <main>
      <Heading>{fill(words.pairing, title)}</Heading>
      <form
        class="card"
        onSubmit={event => {
          event.preventDefault()
          if (!isUnderWay) void begin()
        }}
      >
        <p class="quiet small">{words.pairingExplain}</p>
        <div class="field">
          <label for={id}>{words.pairingName}</label>
          <input
            id={id}
            required
            maxLength={60}
            autocomplete="off"
            value={name}
            onInput={event => setName(event.currentTarget.value)}
          />
        </div>
        <div class="row">
          <button type="button" class="second" onClick={onCancel}>
            {words.cancel}
          </button>
          <button type="submit" aria-disabled={isUnderWay}>
            {words.pairingStart}
          </button>
        </div>
        <div role="status">
          {isUnderWay && <p class="result wait">{words.pairingConnect}</p>}
          {failure !== undefined && (
            <p class="result bad">
              {words.pairingFailed} {sentences(words, failure).slice(0, -1).join(' ')}
            </p>
          )}
        </div>
      </form>
    </main>
  )
}

/** There is no device yet that could be unknown: nothing lies under the code, it is none, or its invitation has ended. */
function inWords(failure: Outcome, isTyped: boolean): Outcome {
  const { code, reason } = failure
  if (isTyped && (reason === 'unknown-device' || code === 'invalid'))
    return { ...failure, code: 'disconnected', reason: 'not-held' }
  const hasEnded = reason === 'unknown-device' || (code === 'bad-key' && reason === undefined)
  return hasEnded ? { ...failure, code: 'disconnected', reason: 'no-invitation' } : failure
}
