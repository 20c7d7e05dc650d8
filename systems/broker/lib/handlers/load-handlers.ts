import { readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { TopicError } from '../client/topic-error'
import { type HandlerDefinition, isDefinition } from './handler'

/**
 * The handlers of a folder: each `.js`, `.cjs` or `.mjs` file in it exports one, by `module.exports`, or `export default`. Files that begin
 * with `_` or `.` are none.
 *
 * @throws TopicError `ERR_TOPIC_HANDLER`: a file exports none, or there is no file
 */
export async function loadHandlers(folder: string): Promise<HandlerDefinition[]> {
  const files = readdirSync(folder)
    .filter(name => /^[^_.].*\.[cm]?js$/.test(name))
    .sort()
  if (files.length === 0) throw wrong(`${folder} has no file of one`)
  return await Promise.all(files.map(name => load(resolve(join(folder, name)))))
}

async function load(file: string): Promise<HandlerDefinition> {
  const exported = (await import(file)) as { default?: unknown }
  const inner = exported.default as { default?: unknown } | undefined
  const found = inner?.default ?? inner // what TypeScript compiles to CommonJS has it one deeper
  if (!isDefinition(found)) throw wrong(`${file} exports nothing that handler() has made`)
  return found
}

function wrong(why: string): TopicError {
  return new TopicError('ERR_TOPIC_HANDLER', `Cannot load handlers: because ${why}`)
}
