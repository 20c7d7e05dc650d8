import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { createContext, runInContext, Script } from 'node:vm'
import type * as Library from '../../lib'
import { ROOT } from './program'

/** The built library as a test runner loads it: in a context with classes of its own for all that is of the language. */
export interface Realm {
  readonly library: typeof Library
  /** What the context has as globals beside those of the language; they can be replaced. */
  readonly globals: Record<string, unknown> & { readonly process: NodeJS.Process }
  /** Runs code in it. */
  run(code: string): unknown
}

/** The globals of Node that a runner hands on. Those of timers are wrapped, as in a page. */
export function loadInRealm(): Realm {
  const globals = createContext({
    AbortController,
    AbortSignal,
    Buffer,
    performance,
    structuredClone,
    process: Object.create(process) as NodeJS.Process,
    setTimeout: (...args: Parameters<typeof setTimeout>) => setTimeout(...args),
    clearTimeout: (timer: NodeJS.Timeout) => clearTimeout(timer)
  }) as Realm['globals']
  const modules = new Map<string, { exports: unknown }>()
  const load = (file: string): unknown => {
    const known = modules.get(file)
    if (known !== undefined) return known.exports
    const module = { exports: {} }
    modules.set(file, module)
    const code = `(function (exports, require, module) {${readFileSync(file, 'utf8')}\n})`
    const wrapper = new Script(code, { filename: file }).runInContext(globals)
    const requireThere = (name: string) =>
      name.startsWith('.') ? load(resolve(dirname(file), `${name}.js`)) : require(name)
    wrapper(module.exports, requireThere, module)
    return module.exports
  }
  const library = load(resolve(ROOT, 'dist/lib/index.js')) as typeof Library
  return { library, globals, run: code => runInContext(code, globals) }
}
