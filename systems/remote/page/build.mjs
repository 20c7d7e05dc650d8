// node page/build.mjs: the page into dist/page, unless nothing that it is made of is newer than what lies there.
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('.', import.meta.url))
const OUT = join(ROOT, '../dist/page')
const MADE_OF = [ROOT, join(ROOT, '../lib'), join(ROOT, '../package.json')]

/** Milliseconds since 1970 of the newest file; 0 when there is none. */
function newest(path) {
  const found = statSync(path, { throwIfNoEntry: false })
  if (!found?.isDirectory()) return found?.mtimeMs ?? 0
  return Math.max(0, ...readdirSync(path).map(name => newest(join(path, name))))
}

/** What is loaded later has nothing to be preloaded: Vite's own function for that would be a fiftieth of the page. */
const importPlainly = {
  name: 'import-plainly',
  enforce: 'pre',
  resolveId: id => (id.endsWith('vite/preload-helper.js') ? '\0plainly' : undefined),
  load: id => (id === '\0plainly' ? 'export const __vitePreload = load => load()' : undefined)
}

const [from, to] = [Math.max(...MADE_OF.map(newest)), newest(join(OUT, 'index.html'))]
if (from >= to) {
  const { build } = await import('vite')
  await build({
    configFile: false,
    root: ROOT,
    base: '/r/',
    logLevel: 'warn',
    plugins: [importPlainly],
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    build: {
      outDir: OUT,
      emptyOutDir: true,
      target: 'es2022',
      // Nothing may stand in the page itself: its policy takes scripts and styles from files alone.
      assetsInlineLimit: 0,
      modulePreload: false,
      reportCompressedSize: false
    }
  })
}
