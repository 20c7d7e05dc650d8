import { EVERYBODY } from './contenders/index.js'
import { choose } from './plan.js'

/** What has to hold when the library changes, by the items of the benchmark. */
export const AGAINST_ROWS = [
  ...['64B', '1KiB', '16KiB', '64KiB', '1MiB'].flatMap(size => [`${size}-up`, `${size}-down`]),
  ...['ping', '64-outstanding', '100x16', 'deliver', '64B-session', '1MiB-session', 'handshakes']
]

/** Half of the benchmark's time for handshakes: so all of it takes five minutes. */
const HANDSHAKES_TURN_FACTOR = 3

/** The same contender of the other checkout. */
export function otherOf(name) {
  return `${name}@other`
}

/** Ours of this checkout, and of `other`. */
export function againstContenders(other, contenders = EVERYBODY) {
  return Object.fromEntries(
    Object.entries(contenders)
      .filter(([, { isOurs }]) => isOurs)
      .flatMap(([name, contender]) => [
        [name, contender],
        [
          otherOf(name),
          {
            ...contender,
            title: `${contender.title}, of the other checkout`,
            variant: { ...contender.variant, library: other },
            isOurs: false
          }
        ]
      ])
  )
}

/** Stages with ours of both checkouts, by turns. @param only rows, or null for all */
export function againstStages(only) {
  return choose({ only: only ?? AGAINST_ROWS, contenders: null }).map(stage => {
    const items = stage.items.map(item => ({
      ...item,
      contenders: item.contenders
        .filter(name => isMeasured(name, item))
        .flatMap(name => [name, otherOf(name)]),
      ...(item.kind === 'handshakes' && { turnFactor: HANDSHAKES_TURN_FACTOR })
    }))
    return { ...stage, items, contenders: [...new Set(items.flatMap(({ contenders }) => contenders))] }
  })
}

/** What an item compares ours with has rows of its own. */
function isMeasured(name, { base }) {
  return EVERYBODY[name].isOurs && name !== base
}
