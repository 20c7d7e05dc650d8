import { defaultFolder } from './layout'

/** The option that names a folder, for a command that is advised; nothing for the default. */
export function whereOf(out: string): string {
  return out === defaultFolder ? '' : ` --out ${shellWord(out)}`
}

/** A word as a shell reads it. */
export function shellWord(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
