import { parseArgs } from 'node:util'
import { CONTENDERS } from './contenders/index.js'
import { knownItems } from './plan.js'

export const USAGE = `npm run bench -- [options]

  --quick               every item, with few and short rounds: two to three minutes
  --only ITEM,…         these items; 64B stands for 64B-up and 64B-down
  --contenders NAME,…   these contenders, and what they are compared with
  --rounds N            rounds of each item
  --seed N              the seed of the order of turns
  --publish             writes bench/results/published.json and docs/pictures/ also for a part or a quick run
  --help                items and contenders by name
`

/** @throws Error for what it does not know */
export function readCommandLine(args) {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      contenders: { type: 'string' },
      rounds: { type: 'string' },
      seed: { type: 'string' },
      publish: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false }
    }
  })
  const items = knownItems()
  return {
    ...values,
    only: list(values.only, '--only', name => items.some(id => id === name || id.startsWith(`${name}-`))),
    contenders: list(values.contenders, '--contenders', name => name in CONTENDERS),
    rounds: whole(values.rounds, '--rounds', 1),
    seed: whole(values.seed, '--seed', 0)
  }
}

/** Names from a list in an option, or null without one. @throws Error for the first that is not known */
export function list(text, option, isKnown) {
  if (text === undefined) return null
  const names = text.split(',').filter(name => name !== '')
  const unknown = names.find(name => !isKnown(name))
  if (unknown !== undefined || names.length === 0) {
    throw new Error(`Cannot choose by ${option}: "${unknown ?? text}" is none of those that --help lists`)
  }
  return names
}

export function whole(text, option, least) {
  if (text === undefined) return null
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < least) {
    throw new Error(`Cannot use ${option}: "${text}" is no whole number from ${least} up`)
  }
  return value
}
