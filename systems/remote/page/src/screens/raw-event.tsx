import { useId, useState } from 'preact/hooks'
import { useSpoken } from '../parts/spoken'
import type { Session } from '../session'
import { RunView } from './run-view'

/** Any event by its name, for a device that does not say what it can do. */
export function RawEvent({ session }: { session: Session }) {
  const { words } = useSpoken()
  const id = useId()
  const [sent, setSent] = useState('')
  const [problem, setProblem] = useState('')
  const run = session.runOf(sent)
  const isBlocked = session.isOver || run?.phase === 'sending' || run?.phase === 'waiting'

  function submit(form: HTMLFormElement): void {
    const typed = new FormData(form)
    const [event, text] = [String(typed.get('event')), String(typed.get('payload'))]
    try {
      const payload: unknown = text.trim() === '' ? {} : JSON.parse(text)
      setProblem('')
      setSent(event)
      void session.run(event, payload)
    } catch {
      setProblem(words.rawBad)
    }
  }

  return (
    <form
      class="card"
      aria-labelledby={`${id}-title`}
      onSubmit={event => {
        event.preventDefault()
        if (!isBlocked) submit(event.currentTarget)
      }}
    >
      <h2 id={`${id}-title`}>{words.sendRaw}</h2>
      <p class="quiet small">{words.sendRawHint}</p>
      <div class="field">
        <label for={`${id}-event`}>{words.rawEvent}</label>
        <input id={`${id}-event`} name="event" required autocomplete="off" autocapitalize="off" />
      </div>
      <div class="field">
        <label for={`${id}-payload`}>{words.rawPayload}</label>
        <textarea id={`${id}-payload`} name="payload" spellcheck={false} />
      </div>
      <button type="submit" class="wide" aria-disabled={isBlocked}>
        {words.rawSend}
      </button>
      <div role="status">
        {problem !== '' && <p class="result bad">{problem}</p>}
        {problem === '' && <RunView session={session} event={sent} format="json" />}
      </div>
    </form>
  )
}
