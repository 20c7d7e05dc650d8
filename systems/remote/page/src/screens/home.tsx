import { Heading } from '../parts/heading'
import { fill, useSpoken } from '../parts/spoken'
import { useChanges, useClock } from '../parts/use-changes'
import type { Records } from '../records'
import { ago, plural } from '../words/words'
import { Add, type AddProps } from './add'

/** The devices that this browser knows, and the ways to one more. */
export function Home({ records, ...ways }: AddProps & { records: Records }) {
  const { language, words } = useSpoken()
  useChanges(records)
  const now = useClock(15_000)
  const { all } = records
  return (
    <main>
      <Heading>{all.length === 0 ? words.noDevices : words.devices}</Heading>
      {!records.isStored && <p class="banner bad">{words.storageBroken}</p>}
      {all.length === 0 ? (
        <p class="quiet">{words.noDevicesHint}</p>
      ) : (
        <>
          <p class="quiet small">{plural(language, all.length, words.deviceCount)}</p>
          <ul class="devices">
            {all.map(({ id, name, seenAt }) => (
              <li key={id}>
                <a href={`#device=${id}`}>
                  <strong>{name}</strong>
                  <span class="quiet small">
                    {seenAt === undefined ? words.neverSeen : fill(words.seen, ago(language, now - seenAt))}
                  </span>
                </a>
              </li>
            ))}
          </ul>
          <h2>{words.addDevice}</h2>
        </>
      )}
      <Add {...ways} />
    </main>
  )
}
