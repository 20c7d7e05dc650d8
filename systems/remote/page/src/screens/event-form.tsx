import type { ComponentChildren } from 'preact'
import { useId, useState } from 'preact/hooks'
import { type EventDescription, type Field, textIn } from '../description'
import { Confirm } from '../parts/confirm'
import { fill, useSpoken } from '../parts/spoken'
import type { Run, Session } from '../session'
import { FieldInput, type FieldValue, initialValue } from './fields'
import { RunView } from './run-view'

interface EventFormProps {
  readonly declared: EventDescription
  readonly session: Session
  /** Of the device, as last known. */
  readonly state: unknown
}

/** One event that takes something: a form, and what became of it below. */
export function EventForm({ declared, session, state }: EventFormProps) {
  const { language } = useSpoken()
  const id = useId()
  const [typed, setTyped] = useState<Readonly<Record<string, FieldValue>>>({})
  const { event, fields, result, timeout } = declared
  const isBlocked = session.isOver || isUnderWay(session.runOf(event))
  // What nobody has touched follows the state of the device.
  const currentOf = (field: Field) =>
    Object.hasOwn(typed, field.name) ? typed[field.name] : initialValue(field, state)

  async function send(): Promise<void> {
    const payload = Object.fromEntries(fields.map(field => [field.name, currentOf(field)]))
    await session.run(event, payload, timeout)
    if (session.runOf(event)?.phase === 'done') setTyped({})
  }

  return (
    <SendForm
      class={`event ${fields.length === 1 ? 'single' : ''}`}
      declared={declared}
      isBlocked={isBlocked}
      send={send}
    >
      {declared.hint !== undefined && <p class="quiet small below">{textIn(language, declared.hint)}</p>}
      {fields.map(field => (
        <FieldInput
          key={field.name}
          field={field}
          value={currentOf(field)}
          onValue={value => setTyped(now => ({ ...now, [field.name]: value }))}
        />
      ))}
      <button type="submit" class={declared.danger ? 'danger' : 'second'} aria-disabled={isBlocked}>
        {textIn(language, declared.label)}
      </button>
      <div id={id} class="below" role="status">
        <RunView session={session} event={event} format={result} />
      </div>
    </SendForm>
  )
}

/** Events that take nothing: buttons beside each other, and below them what became of those that were pressed last. */
export function EventButtons({ events, session }: { events: readonly EventDescription[]; session: Session }) {
  const { language } = useSpoken()
  const [pressed, setPressed] = useState('')
  const shown = events.filter(({ event }) => event === pressed || isUnderWay(session.runOf(event)))
  return (
    <div class="event">
      <div class="buttons">
        {events.map(declared => {
          const isBlocked = session.isOver || isUnderWay(session.runOf(declared.event))
          const send = () => {
            setPressed(declared.event)
            return session.run(declared.event, {}, declared.timeout)
          }
          return (
            <SendForm key={declared.event} class="" declared={declared} isBlocked={isBlocked} send={send}>
              <button
                type="submit"
                class={`wide ${declared.danger ? 'danger' : ''}`}
                aria-disabled={isBlocked}
              >
                {textIn(language, declared.label)}
              </button>
            </SendForm>
          )
        })}
      </div>
      <div role="status">
        {shown.map(({ event, label, result }) => {
          const name = events.length > 1 ? textIn(language, label) : undefined
          return <RunView key={event} name={name} session={session} event={event} format={result} />
        })}
      </div>
    </div>
  )
}

interface SendFormProps {
  readonly class: string
  readonly declared: EventDescription
  readonly isBlocked: boolean
  readonly send: () => Promise<void>
  readonly children: ComponentChildren
}

/** Asks first where the device says that it is of danger, and sends one at a time. */
function SendForm({ class: look, declared, isBlocked, send, children }: SendFormProps) {
  const { language, words } = useSpoken()
  const [isAsking, setAsking] = useState(false)
  const label = textIn(language, declared.label)
  return (
    <>
      <form
        class={look}
        onSubmit={submitted => {
          submitted.preventDefault()
          if (isBlocked) return
          if (declared.danger) setAsking(true)
          else void send()
        }}
      >
        {children}
      </form>
      {isAsking && (
        <Confirm
          title={words.sure}
          text={fill(words.sureEvent, label)}
          yes={words.sureYes}
          onYes={() => void send()}
          onClose={() => setAsking(false)}
        />
      )}
    </>
  )
}

function isUnderWay(run: Run | undefined): boolean {
  return run?.phase === 'sending' || run?.phase === 'waiting'
}
