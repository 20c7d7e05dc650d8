import { useId, useState } from 'preact/hooks'
import { useSpoken } from '../parts/spoken'
import { Scanner } from './scanner'

export interface AddProps {
  readonly onInvitation: (text: string) => void
  readonly onCode: (code: string) => void
}

/** The ways to one more device: the camera, a picture, a link, a code to type. */
export function Add({ onInvitation, onCode }: AddProps) {
  const { words } = useSpoken()
  return (
    <>
      <Scanner onText={onInvitation} />
      <TextForm
        label={words.pasteLabel}
        button={words.pasteOpen}
        mode="url"
        placeholder="https://…/r#v=2&…"
        onText={onInvitation}
      />
      <TextForm
        label={words.codeLabel}
        hint={words.codeHint}
        button={words.codeOpen}
        mode="text"
        placeholder="XXXXX-XXXXX"
        onText={onCode}
      />
    </>
  )
}

interface TextFormProps {
  readonly label: string
  readonly hint?: string
  readonly button: string
  readonly mode: 'url' | 'text'
  readonly placeholder: string
  readonly onText: (text: string) => void
}

function TextForm({ label, hint, button, mode, placeholder, onText }: TextFormProps) {
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
        <label for={id}>{label}</label>
        {hint !== undefined && (
          <p id={`${id}-hint`} class="quiet small">
            {hint}
          </p>
        )}
        <input
          id={id}
          type="text"
          inputMode={mode}
          required
          autocomplete="off"
          autocapitalize={mode === 'url' ? 'none' : 'characters'}
          spellcheck={false}
          placeholder={placeholder}
          aria-describedby={hint === undefined ? undefined : `${id}-hint`}
          value={text}
          onInput={event => setText(event.currentTarget.value)}
        />
      </div>
      <button type="submit" class="second wide">
        {button}
      </button>
    </form>
  )
}
