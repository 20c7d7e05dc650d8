/** Who a topic belongs to. Each topic has exactly one owner, so that no two identities ever share one. */
export type Owner =
  /** One user: `68946_contact_list`, `68946/contacts/7`, `68946`. */
  | { readonly kind: 'user'; readonly id: string }
  /** A command that devices publish and handlers take: `request_contact`, `ping`. */
  | { readonly kind: 'command' }
  /** The broker: `$SYS/…`, `$token`. */
  | { readonly kind: 'broker' }
  /** Nobody: the first segment is empty. */
  | { readonly kind: 'nobody' }

const SEPARATOR = /[_/]/
const LETTERS = /^[A-Za-z]+$/

/**
 * The first segment ends at the first `_` or `/`. It names a user, unless it consists of ASCII letters only and no `/` follows: then the
 * topic is a command. So `68946_x`, `68946/x` and `alice/x` belong to users, `request_contact` and `ping` are commands, and a user whose
 * id consists of letters owns the form with `/` only.
 */
export function ownerOf(topic: string): Owner {
  if (topic.startsWith('$')) return { kind: 'broker' }
  const end = topic.search(SEPARATOR)
  const segment = end === -1 ? topic : topic.slice(0, end)
  if (segment === '') return { kind: 'nobody' }
  if (topic[end] !== '/' && LETTERS.test(segment)) return { kind: 'command' }
  return { kind: 'user', id: segment }
}

/** Why topics can't be told by this id, in words; undefined: they can. */
export function whyNoTopicsFor(id: string): string | undefined {
  if (id === '') return 'the id of the user is empty'
  if (SEPARATOR.test(id))
    return 'the id of the user contains "_" or "/", which end the first segment of a topic'
  if (/[#+]/.test(id) || id.startsWith('$'))
    return 'the id of the user contains a wildcard or starts with "$"'
  if (/\p{Cc}/u.test(id)) return 'the id of the user contains a control character'
  return undefined
}
