import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import * as api from '../../lib'

const source = readFileSync(join(__dirname, '../../../lib/index.ts'), 'utf8')

describe('index', () => {
  it('exports these values: what is taken away breaks users', () => {
    expect(Object.keys(api).sort()).to.include.members([
      'Connection',
      'TokenClient',
      'TokenError',
      'TokenServer',
      'TokenStream'
    ])
  })

  it('exports these names, types included', () => {
    const lists = [...source.matchAll(/\{([^}]*)\}/g)].map(match => match[1] as string)
    const names = lists.flatMap(list => list.split(',').map(name => name.replace(/\btype\b/, '').trim()))
    expect(names.filter(Boolean).sort()).to.include.members([
      'Authorize',
      'AuthorizeAnswer',
      'CloseCode',
      'CloseInfo',
      'CloseOptions',
      'Connection',
      'ConnectionEvents',
      'ConnectionOptions',
      'DeliverOptions',
      'DialOptions',
      'Goaway',
      'OtherProtocol',
      'Peer',
      'ProtocolName',
      'ProtocolOptions',
      'ReconnectPolicy',
      'Refusal',
      'ServerLimits',
      'TokenClient',
      'TokenClientEvents',
      'TokenClientOptions',
      'TokenError',
      'TokenErrorCode',
      'TokenServer',
      'TokenServerEvents',
      'TokenServerOptions',
      'TokenStream',
      'WireCloseCode'
    ])
  })

  it('holds names only, no logic', () => {
    for (const statement of source.split(/\n(?=export)/)) {
      expect(statement.trim()).to.match(/^export (?:type )?\{[^}]*\} from '\.\/[a-z/0-9-]+'$/)
    }
  })
})
