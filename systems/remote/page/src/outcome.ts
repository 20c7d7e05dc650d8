import { RemoteError } from '../../lib/errors/remote-error'
import type { Words } from './words/words'

/** What became of a command that has no answer. */
export interface Outcome {
  readonly code: keyof Words['failures']
  readonly ran: keyof Words['ran']
  readonly reason: string | undefined
  /** What the device or the client says, in English. */
  readonly message: string
}

export function failureOf(error: unknown): Outcome {
  if (!(error instanceof RemoteError))
    return { code: 'invalid', ran: 'maybe', reason: undefined, message: String(error) }
  const { code, ran, reason, message } = error
  return { code, ran, reason, message }
}

/** What the device says when a handler of its threw: that says nothing to a person. */
const SILENT = ['threw', 'its handler threw']

/** In sentences: what went wrong, why, and whether the command may have run all the same. */
export function sentences(words: Words, { code, ran, reason, message }: Outcome): string[] {
  const known = reason === undefined ? undefined : words.reasons[reason]
  // The reason says all of it.
  const said = code === 'disconnected' && known !== undefined ? [] : [words.failures[code]]
  if (known !== undefined) said.push(known)
  else if (reason !== undefined && !SILENT.includes(reason)) said.push(words.why.replace('{}', () => reason))
  const [, own = ''] = /^Cannot [^:]*: because (.*)$/s.exec(message) ?? []
  // The words of the device's own program, which it meant for the person.
  if (code === 'handler-failed' && !SILENT.includes(own)) said.push(own)
  return [...said, words.ran[ran]].filter(sentence => sentence !== '')
}
