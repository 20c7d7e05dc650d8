import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'

/** What the tests of all files have; of the rest each file has its own. Texts are hexadecimal. */
export interface WycheproofTest {
  readonly tcId: number
  readonly result: 'valid' | 'invalid' | 'acceptable'
  readonly group: { readonly ivSize: number; readonly keySize: number; readonly tagSize: number }
  readonly size: number
  readonly key: string
  readonly iv: string
  readonly aad: string
  readonly msg: string
  readonly ct: string
  readonly tag: string
  readonly ikm: string
  readonly salt: string
  readonly info: string
  readonly okm: string
  readonly public: string
  readonly private: string
  readonly shared: string
}

/** The folder with the vectors (github.com/C2SP/wycheproof, testvectors_v1): they are read there, and never copied. */
const { WYCHEPROOF } = process.env

if (WYCHEPROOF === undefined)
  console.log("R1 is run without Wycheproof's vectors: WYCHEPROOF names no folder")

/** Whether there are any. */
export const hasWycheproof = WYCHEPROOF !== undefined

export function openWycheproof(file: string): readonly WycheproofTest[] {
  const { testGroups } = JSON.parse(readFileSync(join(WYCHEPROOF as string, file), 'utf8')) as {
    testGroups: readonly { tests: readonly object[] }[]
  }
  return testGroups.flatMap(({ tests, ...group }) =>
    tests.map(one => ({ ...one, group }) as unknown as WycheproofTest)
  )
}

/** Expects `agrees` of each, and tells how many there were. */
export async function agree(
  tests: readonly WycheproofTest[],
  agrees: (test: WycheproofTest) => Promise<boolean>
): Promise<void> {
  const wrong: string[] = []
  for (const test of tests)
    if (!(await agrees(test).catch(() => false))) wrong.push(`${test.tcId} (${test.result})`)
  console.log(`        ${tests.length - wrong.length} of ${tests.length} agree`)
  expect(tests.length).to.be.above(0)
  expect(wrong).to.deep.equal([])
}
