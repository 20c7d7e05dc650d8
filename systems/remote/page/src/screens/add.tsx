import { useId, useState } from 'preact/hooks'
import { useSpoken } from '../parts/spoken'
import { Scanner } from './scanner'

/** The ways to one more device: the camera, a picture, a link. */
export function Add({ onInvitation }: { onInvitation: (text: string) => void }) {
  return (
    <>
      <Scanner onText={onInvitation} />
      <Paste onText={onInvitation} />
    </>
  )
}

function Paste({ onText }: { onText: (text: string) => void }) {
  const { words } = useSpoken()
  const id = useId()
  const [text, setText] = useState('')
  return (
    <form
      class="card"
      onSubmit={event => {
        event.preventDefault()
        if (text.trim() !== '') onText(text.trim())
      }}
    >
      <div class="field">
        <label for={id}>{words.pasteLabel}</label>
        <input
          id={id}
          type="url"
          required
          autocomplete="off"
          placeholder="https://…/r#v=2&…"
          value={text}
          onInput={event => setText(event.currentTarget.value)}
        />
      </div>
      <button type="submit" class="second wide">
        {words.pasteOpen}
      </button>
    </form>
  )
}
