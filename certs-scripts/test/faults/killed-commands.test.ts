import { cp, mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import { isSignedBy } from '../../lib'
import { authorityKeys, call, certOf, fits, namesOf } from '../helpers/folder'
import { killedAt } from '../helpers/kill'
import { useTemporaryFolder } from '../helpers/temporary-folder'

// On a failure fast-check prints `{ seed, path }`; SEED=… repeats that run.
const parameters = (numRuns: number) =>
  process.env.SEED === undefined ? { numRuns } : { numRuns, seed: Number(process.env.SEED) }

const someName = fc.constantFrom('a.test', 'b.test', '10.0.0.1', '::1')
const hosts = fc.uniqueArray(someName, { minLength: 1, maxLength: 3 })
const command = fc.oneof(
  fc.constant({ line: '--force' }),
  fc.constant({ line: '--new-authority' }),
  fc.constant({ line: '' }),
  fc.constant({ line: 'server --force' }),
  fc.constant({ line: 'client ann --force' }),
  fc.constant({ line: 'client client bob' }),
  fc.constant({ line: 'list' }),
  hosts.map(hosts => ({ line: `server --force ${flags(hosts)}`, hosts })),
  hosts.map(hosts => ({ line: `--force ${flags(hosts)}`, hosts })),
  hosts.map(hosts => ({ line: `--new-authority ${flags(hosts)}`, hosts })),
  hosts.map(hosts => ({ line: `server ${flags(hosts)}` }))
) as fc.Arbitrary<{ line: string; hosts?: string[] }>

describe('any sequence of commands', function () {
  this.timeout(60_000)
  const folder = useTemporaryFolder()

  for (const [what, killAt] of [
    ['', fc.constant(Infinity)],
    [
      ', of which some are killed between two files',
      fc.oneof(fc.integer({ min: 1, max: 14 }), fc.constant(Infinity))
    ]
  ] as const) {
    it(`loses no authority's key, and no name that the user did not replace${what}`, () =>
      fc.assert(
        fc.asyncProperty(
          hosts,
          fc.array(fc.record({ command, killAt }), { minLength: 1, maxLength: 5 }),
          async (first, steps) => {
            const out = await mkdtemp(join(folder(), 'out-'))
            await call(out, flags(first))
            const keys = new Set(authorityKeys(out))
            let possible: string[][] = [first]
            for (const step of steps) {
              const { hosts: replaced } = step.command
              const result = await killedAt(step.killAt, () => call(out, step.command.line))
              for (const key of keys) expect(authorityKeys(out), 'keys of authorities').to.include(key)
              for (const key of authorityKeys(out)) keys.add(key)

              if (replaced !== undefined) {
                if (result !== 'killed') expect(result.code, result.said).to.equal(0)
                possible = result === 'killed' ? [...possible, replaced] : [replaced]
              }
              expect(possible).to.deep.include(namesOf(out, 'server'))
            }

            const { code, said } = await call(out, '--force')
            expect(code, said).to.equal(0)
            expect(possible).to.deep.include(namesOf(out, 'server'))
            for (const name of ['ca', 'server', 'client']) expect(fits(out, name), name).to.equal(true)
            for (const name of ['server', 'client']) {
              expect(isSignedBy(certOf(out, name), certOf(out, 'ca')), name).to.equal(true)
            }
          }
        ),
        parameters(process.env.LONG ? 1000 : 6)
      ))
  }

  it('killed at any file of a renewal is mended by the next renewal of the same pair', async () => {
    const before = join(folder(), 'before')
    await call(before, '--host a.test')
    for (const [line, name] of [
      ['server --force --host b.test', 'server'],
      ['--new-authority --host b.test', 'server']
    ] as const) {
      let result: unknown = 'killed'
      for (let n = 1; result === 'killed'; n += 1) {
        const out = await mkdtemp(join(folder(), 'out-'))
        await cp(before, out, { recursive: true })
        result = await killedAt(n, () => call(out, line))
        const { code, said } = await call(out, `${name} --force`)
        expect(code, `${line}, killed at ${n}: ${said}`).to.equal(0)
        for (const pair of ['ca', name])
          expect(fits(out, pair), `${line}, killed at ${n}: ${pair}`).to.equal(true)
      }
    }
  })
})

function flags(hosts: readonly string[]): string {
  return hosts.map(host => `--host ${host}`).join(' ')
}
