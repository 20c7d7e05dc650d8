import { useEffect, useMemo, useState } from 'preact/hooks'
import {
  type Description,
  type EventDescription,
  labelled,
  labelOf,
  readDescription,
  textIn
} from '../description'
import { Confirm } from '../parts/confirm'
import { Heading } from '../parts/heading'
import { fill, useSpoken } from '../parts/spoken'
import { useChanges, useClock } from '../parts/use-changes'
import { Value } from '../parts/value'
import type { DeviceRecord, KnownState } from '../records'
import type { Session } from '../session'
import { ago, type Words } from '../words/words'
import { EventButtons, EventForm } from './event-form'
import { RawEvent } from './raw-event'

interface DeviceProps {
  readonly record: DeviceRecord
  readonly session: Session
  readonly onForget: () => void
}

export function Device({ record, session, onForget }: DeviceProps) {
  const { words } = useSpoken()
  const [isAsking, setAsking] = useState(false)
  useChanges(session)
  // Seen again after a while in the background.
  useEffect(() => {
    const onShown = () => document.visibilityState === 'visible' && void session.refresh()
    document.addEventListener('visibilitychange', onShown)
    return () => document.removeEventListener('visibilitychange', onShown)
  }, [session])
  const description = useMemo(() => readDescription(record.description), [record.description])
  return (
    <main>
      <Heading>{record.name}</Heading>
      <Banner session={session} mode={record.mode} />
      {session.connection === 'not-approved' ? (
        record.words !== undefined && <Compare code={record.words} />
      ) : (
        <>
          <State known={record.state} description={description} session={session} />
          <Commands description={description} record={record} session={session} />
        </>
      )}
      <button type="button" class="plain bad wide" onClick={() => setAsking(true)}>
        {words.forget}
      </button>
      {isAsking && (
        <Confirm
          title={words.forget}
          text={words.forgetHint}
          yes={words.forgetYes}
          onYes={onForget}
          onClose={() => setAsking(false)}
        />
      )}
    </main>
  )
}

function Banner({ session, mode }: { session: Session; mode: DeviceRecord['mode'] }) {
  const { words } = useSpoken()
  const [look, text] = bannerOf(words, session, mode)
  return (
    <div role="status">
      <p class={`banner ${look}`}>{text}</p>
    </div>
  )
}

function bannerOf(
  words: Words,
  { connection, why }: Session,
  mode: DeviceRecord['mode']
): [look: string, text: string] {
  const known = why === undefined ? undefined : words.reasons[why]
  const reason = known === undefined ? '' : ` ${known}`
  switch (connection) {
    case 'connecting':
      return ['wait', words.connecting]
    case 'online':
      return ['good', words.online]
    case 'not-approved':
      return ['wait', words.pairingWait]
    case 'offline':
      return ['bad', words.deviceOffline]
    case 'unreachable':
      return ['bad', words.unreachable + reason]
    case 'bad-key':
      return ['bad', known ?? (mode === 'paired' ? words.goneKey : words.wrongKey)]
    case 'too-old':
      return ['bad', words.tooOld]
    case 'closed':
      return ['bad', words.banned + reason]
  }
}

/** The words that must be the same at both ends: then nobody is between. */
function Compare({ code }: { code: string }) {
  const { words } = useSpoken()
  const each = code.split(/[ -]/)
  return (
    <section class="card" aria-labelledby="compare">
      <h2 id="compare">{words.pairingCompare}</h2>
      <ol class="words">
        {each.map((word, index) => (
          <li key={`${index} ${word}`}>{word}</li>
        ))}
      </ol>
      <p>{words.pairingDifferent}</p>
    </section>
  )
}

interface StateProps {
  readonly known: KnownState | undefined
  readonly description: Description
  readonly session: Session
}

function State({ known, description, session }: StateProps) {
  const { language, words } = useSpoken()
  const now = useClock(5_000)
  const { value, at = 0 } = known ?? {}
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  return (
    <section class={`card ${session.connection === 'online' ? '' : 'old'}`} aria-labelledby="state">
      <div class="bar">
        <div>
          <h2 id="state">{words.state}</h2>
          {known !== undefined && !session.isLive && (
            <p class="quiet small">{fill(words.asOf, ago(language, now - at))}</p>
          )}
        </div>
        {session.connection === 'online' && !session.isLive && (
          <button type="button" class="plain" onClick={() => void session.refresh()}>
            {words.refresh}
          </button>
        )}
      </div>
      {value === undefined || value === null ? (
        <p class="quiet">{words.stateNone}</p>
      ) : (
        <dl>
          {Object.entries(isObject ? value : { '': value }).map(([name, each]) => (
            <div key={name}>
              <dt>{textIn(language, labelOf(description, name))}</dt>
              <dd>
                <Value value={labelled(description, name, each, language)} />
              </dd>
            </div>
          ))}
        </dl>
      )}
    </section>
  )
}

interface CommandsProps {
  readonly description: Description
  readonly record: DeviceRecord
  readonly session: Session
}

function Commands({ description, record, session }: CommandsProps) {
  const { words } = useSpoken()
  const { events } = description
  if (events.length === 0) return <RawEvent session={session} />
  return (
    <section class="card" aria-labelledby="commands">
      <h2 id="commands">{words.commands}</h2>
      <div class="events">
        {grouped(events).map(group =>
          Array.isArray(group) ? (
            <EventButtons key={group[0]?.event} events={group} session={session} />
          ) : (
            <EventForm key={group.event} declared={group} session={session} state={record.state?.value} />
          )
        )}
      </div>
    </section>
  )
}

/** Those that take nothing and follow each other are buttons beside each other. */
function grouped(events: readonly EventDescription[]): (EventDescription | EventDescription[])[] {
  const groups: (EventDescription | EventDescription[])[] = []
  for (const each of events) {
    const last = groups.at(-1)
    if (each.fields.length > 0) groups.push(each)
    else if (Array.isArray(last)) last.push(each)
    else groups.push([each])
  }
  return groups
}
