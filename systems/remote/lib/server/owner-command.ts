import { open } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { invalid, RemoteError } from '../errors/remote-error'
import { FileStore } from '../keys/file-store'
import { KeyRing } from '../keys/key-ring'
import type { Phone } from '../keys/phone'
import { qrAsGif, qrAsSvg, qrForTerminal } from '../keys/qr-code'
import { nodeSuite } from '../sealing/node-suite'
import { webAddressOf } from '../wire/invitation'
import { durationOf, endOf, sinceText } from './durations'
import { askOnTerminal } from './terminal-approval'

const USAGE = `token-remote COMMAND [options]

For the owner of a device that keeps its keys in a folder (\`new Server({ keys: { folder: 'remote-keys' } })\`). Run it where the device was
started, or name the folder with --keys. A device that runs acts on it within a second; it need not run, but for --code.

  invite          a QR code for one phone; good for 10 minutes, and worthless once the phone has come
    --name NAME       what the phone is to be called
    --events A,B      what it may send; lamp.* allows all that begin with lamp.; default: everything
    --until WHEN      when its time is over: 30d, 12h, 90m, or 2027-01-31; default: never
    --lifetime TIME   how long the invitation can be used, 24d at most; default 10m
    --code            a code to type, too, where there is no camera; good for two minutes, whatever --lifetime says,
                      and the device must be running
    --unattended      the phone is in without a question; default: you compare four words first
    --wait            stay until the phone has come, and ask here; default at a terminal
    --no-wait
  phones          all phones: id, name, state, what they may, last seen
  approve ID      lets a phone in that waits
  revoke ID       takes a phone or an invitation back, at once
  key             the QR code of the shared key: whoever has it is in

    --url URL         where phones reach the device, https://host[:port], for invite and key; default: as the device
                      has said: its option address, or the relay that it dials
    --svg FILE        the QR code as a picture, too, for you alone to read; --gif FILE likewise
    --keys FOLDER     where the key file is; default REMOTE_KEYS, else remote-keys
    --json            phones: for programs
    --help            prints this

Exit codes: 0 done, 1 it can't be done, 2 the command line is wrong, 3 nobody has this id.
`

/** Of an invitation. */
const MAX_LIFETIME = '24d'

const OPTIONS = {
  name: { type: 'string' },
  events: { type: 'string' },
  until: { type: 'string' },
  lifetime: { type: 'string' },
  unattended: { type: 'boolean' },
  code: { type: 'boolean' },
  wait: { type: 'boolean' },
  url: { type: 'string' },
  svg: { type: 'string' },
  gif: { type: 'string' },
  keys: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' }
} as const

export interface OwnerTerminal {
  readonly env: NodeJS.ProcessEnv
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean }
  readonly output: NodeJS.WritableStream
  readonly errors: NodeJS.WritableStream
}

/** A command line that can't be understood. */
class UsageError extends Error {}

type Values = ReturnType<typeof parse>['values']

/** @returns the exit code */
export async function runOwnerCommand(args: readonly string[], terminal: OwnerTerminal): Promise<number> {
  const { output, errors } = terminal
  try {
    const { values, positionals } = parse(args)
    const [command = '', id, ...more] = positionals
    if (values.help === true) {
      output.write(USAGE)
      return 0
    }
    if (!Object.hasOwn(COMMANDS, command)) {
      const names = Object.keys(COMMANDS).join(', ')
      throw new UsageError(
        `${command === '' ? 'COMMAND is missing' : `"${command}" is no COMMAND`}: ${names}`
      )
    }
    const needsId = command === 'approve' || command === 'revoke'
    if (more.length > 0 || needsId !== (id !== undefined))
      throw new UsageError(`${command} takes ${needsId ? 'one id' : 'no id'}`)
    const run = COMMANDS[command] as Run
    const ring = await openRing(values.keys ?? terminal.env.REMOTE_KEYS ?? 'remote-keys')
    try {
      return await run(ring, values, terminal, id ?? '')
    } finally {
      await ring.close()
    }
  } catch (error) {
    errors.write(`token-remote: ${(error as Error).message}\n`)
    if (!(error instanceof UsageError)) return 1
    errors.write('token-remote --help says more.\n')
    return 2
  }
}

type Run = (ring: KeyRing, values: Values, terminal: OwnerTerminal, id: string) => Promise<number>

const COMMANDS: Readonly<Record<string, Run>> = { invite, phones, approve, revoke, key }

async function invite(ring: KeyRing, values: Values, terminal: OwnerTerminal): Promise<number> {
  const { output, input } = terminal
  const { name, events, until, lifetime = '10m', unattended = false, url } = values
  const wait = values.wait ?? (input.isTTY === true && !unattended)
  const invitation = await ring.invite({
    address: url,
    ...(name !== undefined && { name }),
    events: events?.split(',').map(event => event.trim()),
    until: until === undefined ? undefined : usable(() => endOf(until, Date.now())),
    lifetime: usable(() => durationOf(lifetime, MAX_LIFETIME)),
    asks: !unattended,
    code: values.code === true
  })
  await show(invitation.url, values, output)
  if (invitation.code !== undefined)
    output.write(`Or type this code at ${pageOf(invitation.url)}: ${invitation.code}\n`)
  output.write(
    `For one phone, within ${invitation.code === undefined ? lifetime : '2m'}. To take it back: token-remote revoke ${invitation.id}\n`
  )
  if (!wait) {
    if (!unattended) output.write('Once it has come: token-remote phones, then token-remote approve ID\n')
    return 0
  }
  return await waitForPhone(ring, invitation, terminal)
}

/** Until the phone of the invitation is in or turned away, or its time is over. */
async function waitForPhone(
  ring: KeyRing,
  { id, endsAt }: { readonly id: string; readonly endsAt: number },
  { input, output }: OwnerTerminal
): Promise<number> {
  output.write('Waiting for the phone …\n')
  const over = new AbortController()
  const timer = setTimeout(() => over.abort(), endsAt - Date.now())
  try {
    const phone = await phoneOf(ring, id, over.signal)
    clearTimeout(timer)
    if (phone === undefined) {
      output.write('No phone has come, and the invitation counts no more.\n')
      return 1
    }
    const answered = new AbortController()
    ring.on('change', () => {
      if (ring.phones().find(each => each.id === phone.id)?.state !== 'waiting') answered.abort()
    })
    const isIn = phone.state === 'approved' || (await askOnTerminal(input, output)(phone, answered.signal))
    if (answered.signal.aborted) return 0
    if (isIn && phone.state === 'waiting') await ring.approve(phone.id)
    if (!isIn) await ring.revoke(phone.id)
    output.write(isIn ? `${phone.name} is in. Its id: ${phone.id}\n` : `${phone.name} was turned away.\n`)
    return 0
  } finally {
    clearTimeout(timer)
  }
}

function phoneOf(ring: KeyRing, invitationId: string, signal: AbortSignal): Promise<Phone | undefined> {
  return new Promise(resolve => {
    const look = () => {
      const phone = ring.phones().find(({ invitation }) => invitation === invitationId)
      const isAwaited = ring.find(invitationId, 'invitation') !== undefined && !signal.aborted
      if (phone === undefined && isAwaited) return
      ring.off('change', look)
      resolve(phone)
    }
    ring.on('change', look)
    signal.addEventListener('abort', look)
    look()
  })
}

async function key(ring: KeyRing, values: Values, { output }: OwnerTerminal): Promise<number> {
  await show(ring.sharedInvitation(values.url), values, output)
  output.write('Whoever has this code is in, until the shared key is another.\n')
  return 0
}

// biome-ignore lint/suspicious/useAwait: a command like the others
async function phones(ring: KeyRing, { json = false }: Values, { output }: OwnerTerminal): Promise<number> {
  const all = ring.phones()
  if (json) output.write(`${JSON.stringify(all, null, 2)}\n`)
  else if (all.length === 0) output.write('There are no phones.\n')
  else for (const phone of all) output.write(`${lineOf(phone, Date.now())}\n`)
  return 0
}

function lineOf({ id, name, state, words, events, until, lastSeen }: Phone, now: number): string {
  const may = events === undefined ? 'everything' : events.join(', ')
  const parts = [
    state === 'waiting' ? `waits for you: its screen must show ${words}` : state,
    `may send ${may}`,
    until === undefined ? '' : `${state === 'ended' ? 'ended' : 'until'} ${new Date(until).toISOString()}`,
    lastSeen === undefined ? 'never seen' : `last seen ${sinceText(now - lastSeen)} ago`
  ]
  return `${id}  ${name}: ${parts.filter(part => part !== '').join('; ')}`
}

async function approve(ring: KeyRing, _: Values, terminal: OwnerTerminal, id: string): Promise<number> {
  return told(await ring.approve(id), `${id} is in.`, `No phone with the id ${id} waits.`, terminal)
}

async function revoke(ring: KeyRing, _: Values, terminal: OwnerTerminal, id: string): Promise<number> {
  return told(await ring.revoke(id), `${id} counts no more.`, `Nobody has the id ${id}.`, terminal)
}

function told(isDone: boolean, done: string, none: string, { output, errors }: OwnerTerminal): number {
  if (isDone) output.write(`${done}\n`)
  else errors.write(`token-remote: ${none}\n`)
  return isDone ? 0 : 3
}

/** The code, and the URL in it for who has no camera at hand. */
async function show(url: string, { svg, gif }: Values, output: NodeJS.WritableStream): Promise<void> {
  if (svg !== undefined) await writeSecret(svg, qrAsSvg(url))
  if (gif !== undefined) await writeSecret(gif, qrAsGif(url))
  output.write(`${qrForTerminal(url)}\n${url}\n`)
}

/** Where a code is typed that stands for an invitation. */
function pageOf(url: string): string {
  return url.startsWith('http') ? url.replace(/#.*/, '') : new URL('/r', webAddressOf(url)).href
}

/** For its owner alone, from its first byte on. */
async function writeSecret(path: string, content: string | Uint8Array): Promise<void> {
  const file = await open(path, 'w', 0o600)
  try {
    await file.chmod(0o600)
    await file.writeFile(content)
  } finally {
    await file.close()
  }
}

async function openRing(folder: string): Promise<KeyRing> {
  const store = new FileStore(folder)
  if ((await store.load()) === undefined)
    throw invalid(
      `the key file ${store.file}`,
      'there is no such file: start the device here, with keys: { folder }, or name its folder with --keys'
    )
  return await KeyRing.open({ suite: nodeSuite(), store })
}

function parse(args: readonly string[]) {
  return usable(() =>
    parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true, allowNegative: true })
  )
}

function usable<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof RemoteError) throw error
    throw new UsageError((error as Error).message)
  }
}
