import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { builds } from '../helpers/builds'
import { type Transcript, type TranscriptInput, transcript } from '../helpers/transcript'

const vectors = JSON.parse(
  readFileSync(join(__dirname, '../../../test/sealing/vectors/frames.json'), 'utf8')
) as readonly { input: TranscriptInput; output: Transcript }[]

describe('The test vectors of frames', () => {
  for (const [name, parts] of Object.entries(builds))
    for (const { input, output } of vectors)
      it(`come out by ${name}, mode ${input.mode}`, async () => {
        expect(await transcript(parts, input)).to.deep.equal(output)
      })
})
