import { type ChildProcessByStdio, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import type { Context } from 'mocha'
import { onCleanUp } from './loopback'
import { ROOT } from './program'

/** What a test with namespaces may need beside `ip`. */
export type Tool = 'iptables' | 'python3' | '/dev/net/tun'

/**
 * Skips the test, loudly, where this process can't make network namespaces, or lacks one of the tools.
 *
 * Under CI a missing tool is a failure, so that no row is lost unseen. Only who is not root, whom no package helps,
 * skips there as well.
 */
export function needNamespaces(test: Context, ...tools: Tool[]): void {
  const isRoot = process.getuid?.() === 0
  const why = isRoot ? missing(['ip', ...tools]) : 'network namespaces need root'
  if (why === null) return
  if (process.env.CI && isRoot) throw new Error(`Cannot run this test: ${why}`)
  console.log(`      skipped: ${why}`)
  test.skip()
}

function missing(tools: ('ip' | Tool)[]): string | null {
  for (const tool of tools) {
    if (tool === '/dev/net/tun') {
      try {
        accessSync(tool, constants.R_OK | constants.W_OK)
      } catch {
        return `${tool} can't be opened`
      }
    } else if (spawnSync('bash', ['-c', `command -v ${tool}`]).status !== 0) {
      return `${tool} is not installed (Debian packages iproute2, iptables, python3)`
    }
  }
  const probe = `token-server-${process.pid}-probe`
  const made = spawnSync('ip', ['netns', 'add', probe], { encoding: 'utf8' })
  if (made.status !== 0) return `no namespace can be made: ${made.stderr.trim()}`
  run('ip', 'netns', 'del', probe)
  return null
}

/** Two network namespaces that are gone after the test, with all that is in them. */
export interface Namespaces {
  readonly left: string
  readonly right: string
}

/** The addresses of the two ends. */
export const LEFT = '10.98.7.1'
export const RIGHT = '10.98.7.2'

/** Two namespaces with loopback, and nothing between them. */
export function makeNamespaces(): Namespaces {
  const [left, right] = [`token-server-${process.pid}-l`, `token-server-${process.pid}-r`]
  for (const name of [left, right]) {
    run('ip', 'netns', 'add', name)
    onCleanUp(() => run('ip', 'netns', 'del', name))
    run('ip', '-n', name, 'link', 'set', 'lo', 'up')
  }
  return { left, right }
}

/** A cable between two namespaces, which lets everything through until it is told otherwise. */
export class Cable {
  readonly #namespaces: Namespaces

  constructor(namespaces: Namespaces) {
    const { left, right } = namespaces
    this.#namespaces = namespaces
    run('ip', '-n', left, 'link', 'add', 'cable', 'type', 'veth', 'peer', 'name', 'cable', 'netns', right)
    for (const [name, address] of [
      [left, LEFT],
      [right, RIGHT]
    ] as const) {
      run('ip', '-n', name, 'address', 'add', `${address}/30`, 'dev', 'cable')
      run('ip', '-n', name, 'link', 'set', 'cable', 'up')
    }
  }

  /** From now on each packet vanishes without a word, in both directions. */
  drop(): void {
    this.#rule('-A')
  }

  heal(): void {
    this.#rule('-D')
  }

  #rule(action: '-A' | '-D'): void {
    for (const name of Object.values(this.#namespaces)) {
      run('ip', 'netns', 'exec', name, 'iptables', action, 'INPUT', '-i', 'cable', '-j', 'DROP')
    }
  }
}

function run(command: string, ...args: string[]): void {
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })
}

/** What a {@link BadNetwork} does to packets: ratios from 0 to 1, times in milliseconds. */
export interface Weather {
  loss?: number
  delay?: number
  jitter?: number
  reorder?: number
  duplicate?: number
  corrupt?: number
  cut?: boolean
  forge?: number
}

/** Packets so far. */
export type PacketCounts = Record<
  'seen' | 'carried' | 'lost' | 'cut' | 'corrupted' | 'forged' | 'reordered' | 'duplicated',
  number
>

/** A cable of the worst kind: `test/faults/programs/bad-network.py`. */
export class BadNetwork {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #answers: AsyncIterator<string>

  private constructor({ left, right }: Namespaces, seed: number) {
    const program = join(ROOT, 'test/faults/programs/bad-network.py')
    const args = ['-u', program, left, right, LEFT, RIGHT, String(seed)]
    this.#child = spawn('python3', args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#child.stdin.on('error', () => {})
    this.#answers = createInterface(this.#child.stdout)[Symbol.asyncIterator]()
    const ended = once(this.#child, 'exit')
    onCleanUp(async () => {
      this.#child.stdin.end()
      await ended
    })
  }

  /** It carries everything at first. */
  static async start(namespaces: Namespaces, seed: number): Promise<BadNetwork> {
    const network = new BadNetwork(namespaces, seed)
    await network.#answer()
    return network
  }

  /** Changes what is named, and tells what happened so far. */
  async set(weather: Weather): Promise<PacketCounts> {
    this.#child.stdin.write(`${JSON.stringify(weather)}\n`)
    return JSON.parse(await this.#answer()) as PacketCounts
  }

  async #answer(): Promise<string> {
    const { value, done } = await this.#answers.next()
    if (done) throw new Error('The bad network has ended')
    return value as string
  }
}
