import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { withTables } from '../lib/document.js'

const PAGE = new URL('../../docs/performance.md', import.meta.url)
const PUBLISHED = new URL('../results/published.json', import.meta.url)

test('a page without a place for tables is refused', () => {
  assert.throws(() => withTables('# Performance\n', {}), /no place for tables/)
})

test('docs/performance.md shows what was published', { skip: !existsSync(PUBLISHED) }, () => {
  const page = readFileSync(PAGE, 'utf8')
  assert.equal(withTables(page, JSON.parse(readFileSync(PUBLISHED, 'utf8'))), page)
})
