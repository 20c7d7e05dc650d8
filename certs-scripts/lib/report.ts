import { daysLeft } from './list-certs'
import type { CertificateFiles, ListedCertificate } from './types'

/** A short table of what was made: path, names, expiry date. */
export function tableOf(made: readonly CertificateFiles[]): string {
  const rows = made.map(({ cert, info }) => [
    cert,
    info.names.join(', ') || info.subject,
    dateOf(info.notAfter)
  ])
  return `${columns([['certificate', 'names', 'expires'], ...rows])}${made.map(changeOf).join('')}`
}

/** What a renewal took from a certificate, which whoever dials it by an old name notices. */
function changeOf({ cert, info, replaced, keptAs }: CertificateFiles): string {
  if (keptAs !== undefined) {
    return `The authority that was there is kept as ${keptAs.join(' and ')}; what it signed for others stays its own.\n`
  }
  const names = info.names.join(', ')
  const oldNames = replaced?.names.join(', ') ?? names
  return names === oldNames ? '' : `Names of ${cert}: ${oldNames || 'none'} → ${names}\n`
}

/** What a folder holds, one paragraph for each certificate. */
export function listOf(listed: readonly ListedCertificate[], now: Date): string {
  return listed.map(entry => paragraphOf(entry, now)).join('\n')
}

function paragraphOf(entry: ListedCertificate, now: Date): string {
  if ('problem' in entry) return `${entry.cert}\n  WARNING      ${entry.problem}\n`
  const { cert, info, warnings } = entry
  const lines = [
    ['subject', info.subject],
    ...(info.names.length > 0 ? [['names', info.names.join(', ')]] : []),
    ['fingerprint', info.fingerprint],
    ['expires', `${dateOf(info.notAfter)} (${leftOf(daysLeft(info, now))})`],
    ...warnings.map(warning => ['WARNING', warning])
  ]
  return `${cert}\n${lines.map(([label = '', text = '']) => `  ${label.padEnd(11)}  ${text}\n`).join('')}`
}

function leftOf(exact: number): string {
  const days = Math.round(Math.abs(exact))
  return `${days} ${days === 1 ? 'day' : 'days'} ${exact > 0 ? 'left' : 'ago'}`
}

function dateOf(date: Date): string {
  return date.toISOString().slice(0, 10)
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows.reduce<number[]>(
    (most, row) => row.map((cell, i) => Math.max(most[i] ?? 0, cell.length)),
    []
  )
  return rows
    .map(
      row =>
        `${row
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join('  ')
          .trimEnd()}\n`
    )
    .join('')
}
