import { signToken } from '@token-server/identity'
import type { PeerName } from '../options'
import { Topics, userOf } from '../topics'
import { PUBLISHERS, Publishers } from './publishers'
import { Subscribers } from './subscribers'
import type { LoadOptions, TaskName, Tasks } from './tasks'

/** How this program is started. */
export interface LoadSetup {
  readonly role: 'subscribers' | 'publishers'
  readonly options: LoadOptions
  /** Signs the tokens. */
  readonly secret: string
}

export interface TaskMessage<Name extends TaskName = TaskName> {
  readonly id: number
  readonly name: Name
  readonly in: Tasks[Name]['in']
}

/** What comes of a task; `progress` may come before it. */
export type TaskAnswer =
  | { readonly id: number; readonly out: unknown }
  | { readonly id: number; readonly error: string }
  | { readonly id: number; readonly progress: number }

/** Connects that are under way at once. */
const AT_ONCE = 32

/** Connects between two words about how far it is. */
const STEP = 100

const TOKEN_SECONDS = 86_400

const { role, options, secret } = JSON.parse(process.argv[2] as string) as LoadSetup
const topics = new Topics(options)
const subscribers = new Map<PeerName, Subscribers>()
const publishers = new Map<PeerName, Publishers>()

const tasks: { [Name in TaskName]: (given: Tasks[Name]['in'], id: number) => unknown } = {
  open({ peer, target, jwt, first, end }, id) {
    if (role === 'subscribers') {
      const opened = new Subscribers(options, first, end)
      subscribers.set(peer, opened)
      return openAll(id, first, end, async connection => {
        const token = jwt ? await tokenOf({ user_id: userOf(connection), ...topics.grant }) : undefined
        await opened.open(target, connection, token)
      })
    }
    const opened = new Publishers(options)
    publishers.set(peer, opened)
    return openAll(id, 0, PUBLISHERS, async number => {
      const claims = { user_id: `load-${number}`, handler: { name: `load-${number}`, ip: '127.0.0.1' } }
      await opened.open(target, number, jwt ? await tokenOf(claims) : undefined)
    })
  },
  expect: ({ peer, round }) => subscribers.get(peer)?.expect(round),
  publish: ({ peer, ...given }) => publishers.get(peer)?.publish(given),
  count: ({ peer }) => (subscribers.get(peer) ?? publishers.get(peer))?.count,
  collect: ({ peer }) => subscribers.get(peer)?.collect()
}

function tokenOf(claims: object): Promise<string> {
  return signToken({ ...claims, exp: Math.floor(Date.now() / 1_000) + TOKEN_SECONDS }, { secret })
}

async function openAll(id: number, first: number, end: number, open: (number: number) => Promise<void>) {
  let next = first
  let done = 0
  const openSome = async () => {
    while (next < end) {
      await open(next++)
      if (++done % STEP === 0) send({ id, progress: done })
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, openSome))
}

function send(answer: TaskAnswer): void {
  if (process.connected) process.send?.(answer)
}

async function perform({ id, name, in: given }: TaskMessage): Promise<void> {
  try {
    const out = await tasks[name](given as never, id)
    send({ id, out })
  } catch (error) {
    send({ id, error: (error as Error).message })
  }
}

process.on('message', message => void perform(message as TaskMessage))
process.on('disconnect', () => process.exit())
