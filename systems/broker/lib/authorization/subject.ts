import type { Identity } from '@token-server/identity'

/** Handlers and admins: trusted with all topics, and bound by higher limits than devices, users and guests. */
export function isServiceKind({ kind }: Pick<Identity, 'kind'>): boolean {
  return kind === 'handler' || kind === 'admin'
}

/** Who it is, without doubt: ids are unique within their kind only. */
export function subjectOf({ kind, id }: Identity): string {
  return `${kind}:${id}`
}
