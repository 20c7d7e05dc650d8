import { parseArgs } from 'node:util'
import { CertsError, quoted, reasonOf } from './errors'
import { defaultFolder } from './layout'
import type { AddClientsOptions, MakeOptions, RenewServerOptions } from './types'

/** What the user wants. */
export type Command =
  | { readonly kind: 'help' }
  | { readonly kind: 'make'; readonly options: MakeOptions & { readonly out: string } }
  | { readonly kind: 'client'; readonly options: AddClientsOptions & { readonly out: string } }
  | { readonly kind: 'server'; readonly options: RenewServerOptions & { readonly out: string } }
  | { readonly kind: 'list'; readonly out: string }

export const usage = `Usage:
  token-certs                  makes an authority, a server's and a client's certificate
  token-certs client NAME ...  signs more clients with the authority that is there
  token-certs server           signs the server with the authority that is there
  token-certs list             shows every certificate and when it expires

Options:
  --out DIR        the folder (default: certs)
  --force          renews certificates that exist: a new key and new dates for the
                   names they have; the authority is never replaced
  --host NAME      a DNS name or address of the server, repeatable; replaces all
                   it has (default: localhost, 127.0.0.1, ::1, this machine's name)
  --days N         days until server and client expire, 1 to 36500 (default: as
                   many as the renewed certificate was made for, else 365);
                   an authority holds for 3650 days, or N if that is more
  --client NAME    one more client, repeatable
  --new-authority  makes another authority, renews server and client under it, and
                   keeps the old one beside it (ca-DATE.key, ca-DATE.crt): whoever
                   has only the old ca.crt then refuses the server
  --help           shows this

Keys are written with mode 0600. Exit code: 0 done, 1 could not, 2 bad command line.
`

const options = {
  out: { type: 'string' },
  days: { type: 'string' },
  host: { type: 'string', multiple: true },
  client: { type: 'string', multiple: true },
  force: { type: 'boolean' },
  'new-authority': { type: 'boolean' },
  help: { type: 'boolean', short: 'h' }
} as const

type Flag = keyof typeof options

const flagsOf: ReadonlyMap<string, readonly Flag[]> = new Map<string, readonly Flag[]>([
  ['client', ['out', 'days', 'force']],
  ['server', ['out', 'days', 'host', 'force']],
  ['list', ['out']]
])
const flagsOfAll: readonly Flag[] = ['out', 'days', 'host', 'client', 'force', 'new-authority']

/**
 * Reads the arguments that follow the program's name.
 * @throws {CertsError} ERR_CERTS_ARGUMENT, ERR_CERTS_VALIDITY for --days
 */
export function parseCommandLine(args: readonly string[]): Command {
  const { values, positionals } = parse(args)
  if (values.help === true) return { kind: 'help' }

  const [kind, ...names] = positionals
  const flags = kind === undefined ? flagsOfAll : flagsOf.get(kind)
  if (flags === undefined) throw refuse(`there is no such command (${quoted(kind ?? '')})`)
  const stray = (Object.keys(values) as Flag[]).find(flag => !flags.includes(flag))
  if (stray !== undefined) throw refuse(`the command ${kind} has no such option (--${stray})`)

  const { out = defaultFolder, host, client, force = false } = values
  if (out === '') throw refuse('--out is empty')
  const common = { out, force, ...(values.days !== undefined && { days: wholeNumber(values.days) }) }
  const hosts = host !== undefined && { hosts: host }
  if (kind === 'client') {
    if (names.length === 0) throw refuse('the command client needs a name')
    return { kind, options: { ...common, clients: names } }
  }
  if (names.length > 0) throw refuse(`the command ${kind} takes no name (${quoted(names.join(' '))})`)
  if (kind === 'server') return { kind, options: { ...common, ...hosts } }
  if (kind === 'list') return { kind, out }
  const clients = client !== undefined && { clients: client }
  const another = values['new-authority'] === true && { newAuthority: true }
  return { kind: 'make', options: { ...common, ...hosts, ...clients, ...another } }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true })
  } catch (error) {
    // Node adds advice after the first sentence, on more lines.
    throw refuse(reasonOf(error).split(/\.\s|\n/)[0] ?? '')
  }
}

function wholeNumber(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  const reason = `--days is not an integer (${quoted(text)})`
  throw new CertsError('ERR_CERTS_VALIDITY', `Cannot make a certificate: ${reason}`)
}

function refuse(reason: string): CertsError {
  return new CertsError('ERR_CERTS_ARGUMENT', `Cannot read the command line: ${reason}`)
}
