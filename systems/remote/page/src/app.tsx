import { useEffect, useMemo, useState } from 'preact/hooks'
import { readInvitation } from './doors'
import { Heading } from './parts/heading'
import { fill, SpokenContext, useSpoken } from './parts/spoken'
import { useChanges } from './parts/use-changes'
import { Records } from './records'
import { Device } from './screens/device'
import { Home } from './screens/home'
import { Pairing } from './screens/pairing'
import { Session } from './session'
import { chooseLanguage, isLanguage, type Spoken, speak } from './words/words'

/** What the part of the address behind `#` says. */
type Route =
  | { readonly screen: 'home' }
  | { readonly screen: 'device'; readonly id: string }
  | { readonly screen: 'invitation'; readonly text: string }
  | { readonly screen: 'code'; readonly code: string }

/** An invitation leaves the address bar at once: its secret is not to be seen, nor a reload to use it twice. */
function takeRoute(): Route {
  const { hash, href } = location
  const [, id] = /^#device=([\w-]+)$/.exec(hash) ?? []
  if (id !== undefined) return { screen: 'device', id }
  if (hash.length < 2) return { screen: 'home' }
  history.replaceState(null, '', location.pathname)
  return { screen: 'invitation', text: href }
}

function go(hash: string): void {
  history.pushState(null, '', location.pathname + hash)
}

export function App({ spokenFirst }: { spokenFirst: Spoken }) {
  const [spoken, setSpoken] = useState(spokenFirst)
  const [route, setRoute] = useState(takeRoute)
  const records = useMemo(() => new Records(), [])
  const { language, words } = spoken

  useEffect(() => {
    const onMoved = () => setRoute(takeRoute())
    // Told for a changed fragment, too.
    addEventListener('popstate', onMoved)
    return () => removeEventListener('popstate', onMoved)
  }, [])
  useEffect(() => {
    document.documentElement.lang = language
    document.title = words.title
  }, [language, words])

  const open = (hash: string) => {
    go(hash)
    setRoute(takeRoute())
  }
  const record = route.screen === 'device' ? records.get(route.id) : undefined

  return (
    <SpokenContext.Provider value={spoken}>
      <header class="bar">
        {route.screen === 'home' ? (
          <strong>{words.title}</strong>
        ) : (
          <button type="button" class="plain" onClick={() => open('')}>
            ‹ {words.back}
          </button>
        )}
        <button
          type="button"
          class="plain"
          lang={words.languageCode}
          onClick={() => {
            if (!isLanguage(words.languageCode)) return
            chooseLanguage(words.languageCode)
            void speak(words.languageCode).then(setSpoken)
          }}
        >
          {words.language}
        </button>
      </header>
      {route.screen === 'invitation' ? (
        <Invited
          key={route.text}
          text={route.text}
          records={records}
          onKnown={id => open(`#device=${id}`)}
          onCancel={() => open('')}
        />
      ) : route.screen === 'code' ? (
        <Pairing
          source={route}
          title={route.code}
          onPaired={paired => {
            records.put(paired)
            open(`#device=${paired.id}`)
          }}
          onCancel={() => open('')}
        />
      ) : record === undefined ? (
        <Home
          records={records}
          onInvitation={text => setRoute({ screen: 'invitation', text })}
          onCode={code => setRoute({ screen: 'code', code })}
        />
      ) : (
        <Opened
          key={record.id + record.key}
          id={record.id}
          records={records}
          onForget={() => {
            open('')
            records.forget(record.id)
          }}
        />
      )}
    </SpokenContext.Provider>
  )
}

interface OpenedProps {
  readonly id: string
  readonly records: Records
  readonly onForget: () => void
}

/** One device, connected as long as it is shown. */
function Opened({ id, records, onForget }: OpenedProps) {
  const [session, setSession] = useState<Session>()
  useChanges(records)
  useEffect(() => {
    const opened = new Session(id, records)
    setSession(opened)
    return () => opened.close()
  }, [id])
  const record = records.get(id)
  if (record === undefined || session === undefined) return null
  return <Device record={record} session={session} onForget={onForget} />
}

interface InvitedProps {
  readonly text: string
  readonly records: Records
  readonly onKnown: (id: string) => void
  readonly onCancel: () => void
}

/** What was scanned, pasted or opened: a shared key counts at once, a pairing asks first. */
function Invited({ text, records, onKnown, onCancel }: InvitedProps) {
  const { words } = useSpoken()
  const found = useMemo(() => readInvitation(text), [text])
  useEffect(() => {
    if (found.kind !== 'shared') return
    records.put(found.record)
    onKnown(found.record.id)
  }, [found])
  switch (found.kind) {
    case 'shared':
      return null
    case 'paired':
      return (
        <Pairing
          source={found}
          title={records.get(found.device)?.name ?? words.newDevice}
          onPaired={record => {
            records.put(record)
            onKnown(record.id)
          }}
          onCancel={onCancel}
        />
      )
    case 'elsewhere':
      return (
        <main>
          <Heading>{words.otherAddress}</Heading>
          <p class="card">
            <code>{found.host}</code>
          </p>
          <p>
            <a class="button wide" href={text}>
              {fill(words.otherAddressOpen, found.host)}
            </a>
          </p>
        </main>
      )
    case 'none':
      return (
        <main>
          <Heading>{words.notAnInvitation}</Heading>
          <p>{words.noDevicesHint}</p>
          <p>
            <button type="button" class="wide" onClick={onCancel}>
              {words.back}
            </button>
          </p>
        </main>
      )
  }
}
