import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { SEND_CHECKS } from '../../lib/client/request'
import { BROWSER_CLIENT_CHECKS } from '../../lib/doors/browser-client'
import { NODE_CLIENT_CHECKS } from '../../lib/doors/node-client'
import { HOST_CHECKS, RELAY_CHECKS, SERVER_CHECKS } from '../../lib/server/server-options'
import { LINK_LIMITS_CHECKS } from '../../lib/transport/link-limits'

const page = readFileSync(join(__dirname, '../../../docs/api.md'), 'utf8')

/** What the first column of the first table below a heading names. */
function named(heading: string): string[] {
  const section = page.split(/^#+ /m).find(each => each.startsWith(heading)) ?? ''
  const [table = ''] = /(?:^\|.*\n)+/m.exec(section) ?? []
  const cells = table.split('\n').map(row => row.split('|')[1] ?? '')
  return cells.flatMap(cell => [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name as string))
}

describe('docs/api.md', () => {
  const tables: Readonly<Record<string, object>> = {
    '`new Client(options)`': { ...NODE_CLIENT_CHECKS, ...BROWSER_CLIENT_CHECKS },
    '`new Server(options)`': SERVER_CHECKS,
    '`server.host(': HOST_CHECKS,
    '`server.hostMiddleware(': RELAY_CHECKS,
    'Limits of a connection': LINK_LIMITS_CHECKS
  }
  for (const [heading, checks] of Object.entries(tables))
    it(`names all options of ${heading}, and no others`, () => {
      expect(named(heading)).to.have.members(Object.keys(checks))
    })

  it('names the options of send()', () => {
    const row = /^\| `send\(.*$/m.exec(page)?.[0] ?? ''
    for (const name of Object.keys(SEND_CHECKS)) expect(row).to.include(`\`${name}\``)
  })
})
