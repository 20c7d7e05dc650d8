import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { join, posix } from 'node:path'
import { expect } from 'chai'
import { ROOT } from '../helpers/program'

const SYSTEMS = join(ROOT, 'systems')

/** What stands in the folder of a package, and must. */
const NEEDED = ['.mocharc.json', 'README.md', 'lib', 'package.json', 'test', 'tsconfig.json']

/** Other folders that may stand there; files may be of any name, as Dockerfile and compose.yaml. */
const FOLDERS = ['bench', 'bin', 'docs', 'examples', 'lib', 'page', 'test']

/** Made by programs, and left out by git. */
const MADE = ['dist', 'node_modules', 'coverage', '.nyc_output', 'certs', 'broker-data']

/** The systems that others may build on. */
const SHARED = ['@token-server/identity', '@token-server/service']

/** The library by its doors, and what of this repository is no system. */
const OURS = ['token-server', 'token-server/testing', '@token-server/certs', '@token-server/certs/load']

/** The page knows the messages of the chat, and nothing else of it. */
const EXCEPTIONS: Record<string, readonly string[]> = { 'chat-web': ['@token-server/chat/protocol'] }

const EXACT = /^\d+\.\d+\.\d+(?:-[\w.]+)?$/

const MOST_LINES = 400

const MOST_FILES = 20

interface Manifest {
  readonly name: string
  readonly private?: boolean
  readonly type?: string
  readonly engines?: { readonly node?: string }
  readonly scripts?: Record<string, string>
  readonly dependencies?: Record<string, string>
  readonly devDependencies?: Record<string, string>
  readonly optionalDependencies?: Record<string, string>
  readonly peerDependencies?: Record<string, string>
}

interface Source {
  readonly system: string
  /** Within the package. */
  readonly path: string
  readonly text: string
  readonly imports: readonly string[]
}

const root = manifestOf('.') as Manifest & { readonly files: readonly string[] }
const systems = readdirSync(SYSTEMS).filter(name => existsSync(join(SYSTEMS, name, 'package.json')))
const sources = systems.flatMap(sourcesOf)

describe('The packages in systems/', () => {
  it('are found, with their sources', () => {
    expect(systems).to.include('identity')
    expect(sources.map(({ system, path }) => `${system}/${path}`)).to.include('identity/lib/index.ts')
  })

  it('have the same inside', () => {
    for (const system of systems) {
      const entries = readdirSync(join(SYSTEMS, system), { withFileTypes: true })
      expect(
        entries.map(({ name }) => name),
        system
      ).to.include.members(NEEDED)
      const folders = entries.filter(entry => entry.isDirectory()).map(({ name }) => name)
      expect(folders.filter(name => ![...FOLDERS, ...MADE].includes(name)).map(name => `${system}/${name}`))
        .to.be.empty
      expect(existsSync(join(SYSTEMS, system, 'lib/index.ts')), `${system}/lib/index.ts`).to.equal(true)
    }
  })

  it('are named after their folder, private, and for the same Node as the library', () => {
    for (const system of systems) {
      const { name, private: isPrivate, type, engines, scripts } = manifestOf(`systems/${system}`)
      expect({ name, isPrivate, type, engines }).to.deep.equal({
        name: `@token-server/${system}`,
        isPrivate: true,
        type: 'commonjs',
        engines: root.engines
      })
      expect(scripts).to.include.keys('pretest', 'test')
    }
  })

  it('pin each dependency at one version, and the library in this folder', () => {
    for (const system of systems) {
      const { 'token-server': library = 'file:../..', ...others } = allDependencies(system)
      expect(library, system).to.equal('file:../..')
      expect(
        Object.entries(others).filter(([, version]) => !EXACT.test(version)),
        system
      ).to.deep.equal([])
    }
  })

  it('have at most 20 files in a folder of their lib/', () => {
    const files = new Map<string, number>()
    for (const { system, path } of sources.filter(source => source.path.startsWith('lib/'))) {
      const folder = `${system}/${posix.dirname(path)}`
      files.set(folder, (files.get(folder) ?? 0) + 1)
    }
    expect([...files].filter(([, count]) => count > MOST_FILES)).to.deep.equal([])
  })

  it('import no file outside of their folder', () => {
    const outside = sources.flatMap(({ system, path, imports }) =>
      imports
        .filter(name => name.startsWith('.'))
        .filter(name => posix.join(posix.dirname(path), name).startsWith('..'))
        .map(name => `${system}/${path}: ${name}`)
    )
    expect(outside).to.deep.equal([])
  })

  it('import the library by its public doors, and of each other only what all of them share', () => {
    const wrong = sources.flatMap(({ system, path, imports }) => {
      const allowed = [...OURS, ...(EXCEPTIONS[system] ?? [])]
      if (path.startsWith('test/')) allowed.push('@token-server/test-helpers')
      return imports
        .filter(name => name.startsWith('token-server') || name.startsWith('@token-server/'))
        .filter(name => !allowed.includes(name) && !SHARED.includes(packageOf(name)))
        .filter(name => packageOf(name) !== `@token-server/${system}`)
        .map(name => `${system}/${path}: ${name}`)
    })
    expect(wrong).to.deep.equal([])
  })

  it('declare what they import; what only tests use may come from the root', () => {
    const undeclared = sources.flatMap(({ system, path, imports }) => {
      const { dependencies, optionalDependencies, peerDependencies } = manifestOf(`systems/${system}`)
      const isShipped = path.startsWith('lib/') || path.startsWith('bin/')
      const declared = isShipped
        ? { ...dependencies, ...optionalDependencies, ...peerDependencies }
        : { ...root.devDependencies, ...allDependencies(system) }
      return imports
        .filter(name => !name.startsWith('.') && !isBuiltin(name))
        .map(packageOf)
        .filter(name => !(name in declared) && name !== `@token-server/${system}`)
        .map(name => `${system}/${path}: ${name}`)
    })
    expect(undeclared).to.deep.equal([])
  })

  it(`have sources of at most ${MOST_LINES} lines`, () => {
    const long = sources.filter(({ path, text }) => {
      return path.startsWith('lib/') && text.split('\n').length - 1 > MOST_LINES
    })
    expect(long.map(({ system, path }) => `${system}/${path}`)).to.deep.equal([])
  })

  it('are built by the build of the root, stand in the map of systems/, and in no tarball of the library', () => {
    const { references } = JSON.parse(readFileSync(join(ROOT, 'tsconfig.json'), 'utf8')) as {
      references: { path: string }[]
    }
    const map = readFileSync(join(SYSTEMS, 'README.md'), 'utf8')
    for (const system of systems) {
      expect(references.map(({ path }) => path)).to.include(`./systems/${system}`)
      expect(map).to.include(`\n| [${system}](${system}/README.md) |`)
    }
    expect(root.files.filter(path => path.startsWith('systems'))).to.deep.equal([])
  })
})

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8')) as Manifest
}

function allDependencies(system: string): Record<string, string> {
  const manifest = manifestOf(`systems/${system}`)
  return {
    ...manifest.dependencies,
    ...manifest.devDependencies,
    ...manifest.optionalDependencies,
    ...manifest.peerDependencies
  }
}

function sourcesOf(system: string): Source[] {
  return FOLDERS.filter(folder => existsSync(join(SYSTEMS, system, folder))).flatMap(folder =>
    readdirSync(join(SYSTEMS, system, folder), { recursive: true, encoding: 'utf8' })
      .filter(path => /\.[cm]?[jt]sx?$/.test(path) && !/(^|\/)(node_modules|dist)\//.test(path))
      .map(path => {
        const text = readFileSync(join(SYSTEMS, system, folder, path), 'utf8')
        const imports = [
          ...text.matchAll(/\b(?:from\s+|(?:import|require)\s*\(\s*)'([^'\n]+)'/g),
          ...text.matchAll(/^import '([^']+)'/gm)
        ].map(([, name]) => name as string)
        return { system, path: `${folder}/${path}`, text, imports }
      })
  )
}

/** @returns `@scope/name` or `name`, without a path within the package */
function packageOf(name: string): string {
  return name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/')
}
