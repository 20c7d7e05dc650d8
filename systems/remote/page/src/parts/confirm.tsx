import { useEffect, useId, useRef } from 'preact/hooks'
import { useSpoken } from './spoken'

interface ConfirmProps {
  readonly title: string
  readonly text: string
  readonly yes: string
  readonly onYes: () => void
  /** Also when the person closes it with Escape. */
  readonly onClose: () => void
}

/** Asks before what can't be taken back. The way out is the first button, which has the focus. */
export function Confirm({ title, text, yes, onYes, onClose }: ConfirmProps) {
  const { words } = useSpoken()
  const dialog = useRef<HTMLDialogElement>(null)
  const id = useId()
  useEffect(() => dialog.current?.showModal(), [])
  return (
    <dialog ref={dialog} onClose={onClose} aria-labelledby={`${id}-title`} aria-describedby={`${id}-text`}>
      <h2 id={`${id}-title`}>{title}</h2>
      <p id={`${id}-text`}>{text}</p>
      <div class="row">
        <button type="button" class="second" onClick={() => dialog.current?.close()}>
          {words.cancel}
        </button>
        <button
          type="button"
          class="danger"
          onClick={() => {
            dialog.current?.close()
            onYes()
          }}
        >
          {yes}
        </button>
      </div>
    </dialog>
  )
}
