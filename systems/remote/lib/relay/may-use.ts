import type { Subject } from './party'

/** One person's device and that person have the same id. */
const SAME_ID = new Set(['user', 'device'])

/**
 * Whether the relay lets somebody with a good token through to a device: its owner, those of the same organization, and administrators;
 * and to a device that has registered without a token, everybody. The device still opens nothing without the key.
 */
export function mayUse(subject: Subject, owner: Subject | undefined): boolean {
  if (owner === undefined || subject.kind === 'admin') return true
  if (subject.org !== undefined && subject.org === owner.org) return true
  const isSameKind = subject.kind === owner.kind || (SAME_ID.has(subject.kind) && SAME_ID.has(owner.kind))
  return isSameKind && subject.id === owner.id
}
