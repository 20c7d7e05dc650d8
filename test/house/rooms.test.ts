import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { expect } from 'chai'

const LIB = join(__dirname, '../../../lib')

/** The folders of lib/, from the lowest floor up. A folder may import what stands below it, and itself. */
const FLOORS = [
  ['errors'],
  ['runtime'],
  ['wire'],
  ['options'],
  ['tls', 'session', 'receiving'],
  ['sending'],
  ['protocol'],
  ['connection'],
  ['client', 'server']
]

/** Node's modules that move bytes over a network. */
const NETWORK = ['node:net', 'node:tls', 'node:http', 'node:dgram']

/** `lib/README.md` gives the reasons; a folder that is not here may use all of Node. */
const FORBIDDEN: Record<string, readonly string[]> = {
  wire: [...NETWORK, 'node:events', 'node:stream'],
  session: [...NETWORK, 'node:events', 'node:stream'],
  receiving: [...NETWORK, 'node:timers', 'node:events']
}

const MOST_LINES = 400

/** These are longer, and may only get shorter. */
const LONGER: Record<string, number> = {}

const MOST_FILES = 20

interface Source {
  readonly folder: string
  readonly file: string
  readonly text: string
  readonly imports: readonly string[]
}

const sources = readSources()

describe('The folders of lib/', () => {
  it('hold every file but index.ts, and each of them stands on a floor', () => {
    const folders = readdirSync(LIB, { withFileTypes: true }).filter(entry => entry.isDirectory())
    expect(folders.map(({ name }) => name).sort()).to.deep.equal([...FLOORS.flat(), 'testing'].sort())
    expect(sources.filter(({ folder }) => folder === '.').map(({ file }) => file)).to.deep.equal(['index.ts'])
  })

  it('import only from lower floors, for types too', () => {
    expect(sources.flatMap(upwardArrows)).to.deep.equal([])
  })

  it('have files without circles between them, for types too', () => {
    expect(circles()).to.deep.equal([])
  })

  it('import no module of Node that their rule forbids', () => {
    const broken = sources.flatMap(({ folder, file, imports }) =>
      imports.filter(name => FORBIDDEN[folder]?.includes(name)).map(name => `${folder}/${file}: ${name}`)
    )
    expect(broken).to.deep.equal([])
  })

  it(`have at most ${MOST_FILES} files each, of at most ${MOST_LINES} lines`, () => {
    const long = sources.filter(({ folder, file, text }) => {
      return text.split('\n').length - 1 > (LONGER[`${folder}/${file}`] ?? MOST_LINES)
    })
    expect(long.map(({ folder, file }) => `${folder}/${file}`)).to.deep.equal([])
    for (const folder of FLOORS.flat()) {
      expect(sources.filter(source => source.folder === folder).length, folder).to.be.at.most(MOST_FILES)
    }
  })

  it('have files named after the class that they export, or else after their one value', () => {
    const misnamed = sources.filter(({ file, text }) => {
      const stem = file.replace(/\.ts$/, '')
      const classes = exportsOf(text, 'class')
      if (classes.length > 0) return !classes.includes(stem)
      // Options go in, settings come out: a type with the name of the file will do.
      const isNamed = exportsOf(text, '\\w+').some(name => `-${name}`.endsWith(`-${stem}`))
      return exportsOf(text, 'class|function|const').length === 1 && !isNamed
    })
    expect(misnamed.map(({ folder, file }) => `${folder}/${file}`)).to.deep.equal([])
  })

  it('stand in the map of lib/README.md, each with its files', () => {
    const map = readFileSync(join(LIB, 'README.md'), 'utf8')
    const missing = sources
      .filter(({ folder, file }) => folder !== '.' && !isInMap(map, folder, file.replace(/\.ts$/, '')))
      .map(({ folder, file }) => `${folder}/${file}`)
    expect(missing).to.deep.equal([])
  })
})

function readSources(): Source[] {
  return readdirSync(LIB, { recursive: true, encoding: 'utf8' })
    .filter(path => path.endsWith('.ts'))
    .map(path => {
      const [folder, file] = path.includes('/') ? path.split('/') : ['.', path]
      const text = readFileSync(join(LIB, path), 'utf8')
      const imports = [...text.matchAll(/\b(?:from|import)\s*\(?'([^']+)'/g)].map(
        ([, name]) => name as string
      )
      return { folder: folder as string, file: file as string, text, imports }
    })
}

/** @returns their names in the form of a file's: `Token2` is token-2 */
function exportsOf(text: string, kinds: string): string[] {
  const found = text.matchAll(new RegExp(`^export (?:abstract |async )?(?:${kinds})\\*? (\\w+)`, 'gm'))
  return [...found].map(([, name = '']) => name.replace(/(?<=[a-z])(?=[A-Z0-9])/g, '-').toLowerCase())
}

function floorOf(folder: string): number {
  return FLOORS.findIndex(folders => folders.includes(folder))
}

function targetsOf({ folder, imports }: Source): string[] {
  return imports.filter(name => name.startsWith('.')).map(name => posix.normalize(posix.join(folder, name)))
}

function upwardArrows(source: Source): string[] {
  const { folder, file } = source
  if (folder === '.') return []
  return targetsOf(source)
    .filter(target => {
      const to = posix.dirname(target)
      if (folder === 'testing') return to !== 'testing' && to !== 'runtime'
      return to !== folder && (floorOf(to) < 0 || floorOf(to) >= floorOf(folder))
    })
    .map(target => `${folder}/${file} imports ${target}`)
}

/** @returns one path for each circle that a walk from file to file comes upon */
function circles(): string[] {
  const byName = new Map(
    sources.map(source => [posix.join(source.folder, source.file.replace(/\.ts$/, '')), source])
  )
  const done = new Set<string>()
  const found: string[] = []
  const walk = (name: string, path: readonly string[]): void => {
    if (path.includes(name)) {
      found.push([...path.slice(path.indexOf(name)), name].join(' → '))
      return
    }
    const source = byName.get(name)
    if (source === undefined || done.has(name)) return
    for (const target of targetsOf(source)) walk(target, [...path, name])
    done.add(name)
  }
  for (const name of byName.keys()) walk(name, [])
  return found
}

function isInMap(map: string, folder: string, file: string): boolean {
  const row = map.split('\n').find(line => line.startsWith('|') && line.includes(`\`${folder}/\``))
  return row?.includes(`\`${file}\``) ?? false
}
