import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { Connection, TokenClient, TokenServer } from '../../lib'
import { clientSettings } from '../../lib/client/client-options'
import { connectionLimits } from '../../lib/options/connection-options'
import { serverSettings } from '../../lib/server/server-options'
import { deadLinks } from '../helpers/markdown'
import { ROOT } from '../helpers/program'

const PAGES = [
  ...['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', 'certs-scripts/README.md'],
  'examples/README.md',
  ...readdirSync(join(ROOT, 'docs')).flatMap(name => (name.endsWith('.md') ? [`docs/${name}`] : [])),
  ...readdirSync(join(ROOT, 'systems'), { recursive: true, encoding: 'utf8' })
    .filter(path => path.endsWith('.md') && !/(^|\/)(node_modules|dist)\//.test(path))
    .map(path => `systems/${path}`)
]

describe('documentation', () => {
  const readme = textOf('README.md')
  const api = textOf('docs/api.md')

  describe('error codes', () => {
    const codes = matches(textOf('lib/errors/token-error.ts'), /^ {2}\| '(ERR_\w+)'$/gm)

    it('are found in lib/errors/token-error.ts, in order', () => {
      expect(codes).to.include('ERR_WRITE_TIMEOUT')
      expect(codes).to.deep.equal([...codes].sort())
    })

    it('have one section each in docs/errors.md, and it names no other', () => {
      expect(matches(textOf('docs/errors.md'), /^## `(ERR_\w+)`$/gm)).to.deep.equal(codes)
    })

    it('say when, what to do, and whether to try again', () => {
      for (const section of textOf('docs/errors.md').split(/^## /m).slice(1)) {
        const [, ...parts] = section.split(/^\*\*(When|What to do|Retry\?):?\*\*/m)
        expect(
          parts.filter((_part, i) => i % 2 === 0),
          section
        ).to.deep.equal(['When', 'What to do', 'Retry?'])
      }
    })

    it('of TLS that the library explains have a row each in docs/errors.md', () => {
      const table = textOf('docs/errors.md').split('### What TLS says')[1]?.split('\n## ')[0] ?? ''
      const reasons = matches(textOf('lib/tls/why-untrusted.ts'), /^ {2}\['(\w+)', /gm)
      const others = matches(textOf('lib/errors/tls-words.ts'), /^ {2}([A-Z]\w+):/gm)
      const rows = matches(table, /`(?:…_ALERT_)?([A-Z_]+)`/g)
      expect([reasons.length > 10, others.length > 12]).to.deep.equal([true, true])
      expect(rows).to.include.members([...reasons, ...others])
    })

    it('have one row each in the table at the top of docs/errors.md', () => {
      const rows = matches(textOf('docs/errors.md'), /^\| \[(ERR_\w+)\]\(#err_\w+\) \|/gm)
      expect(rows).to.deep.equal(codes)
    })
  })

  describe('options', () => {
    const {
      connection,
      session,
      tls,
      policies: _rules,
      listen: _where,
      tcp: _ofTcp,
      ...server
    } = serverSettings({
      session: true,
      port: 0
    })
    const {
      connection: _same,
      session: alike,
      tls: _other,
      policies: _more,
      servers: _there,
      context: _keys,
      tcp: _alsoOfTcp,
      ...dial
    } = clientSettings({ session: true, port: 1 })
    const defaults = Object.entries({ ...connectionLimits(), ...session, ...server, ...dial })

    it('are found in lib/', () => {
      expect(Object.fromEntries(defaults)).to.include({
        maxTokenLength: 8388608,
        resumeTimeout: 60000,
        connectTimeout: 10000
      })
      expect([connection, tls, alike]).to.deep.equal([connectionLimits(), {}, session])
    })

    for (const [name, value] of defaults) {
      it(`${name} stands in docs/api.md with its default, and in the table of its limits`, () => {
        const entry = api.match(new RegExp(`^ *- \`${name}\` \\{integer\\}(?:(?!^ *- )[\\s\\S])*`, 'm'))?.[0]
        expect(entry?.replace(/\s+/g, ' ')).to.include(`**Default:** \`${value}\``)
        expect(sectionOf(api, 'Limits')).to.include(`\n| \`${name}\` | `)
      })
    }
  })

  it('the table of what a client may hold names options that exist, and tests that do', () => {
    const { policies: _, connection, session, ...limits } = serverSettings({ port: 0, session: true })
    const names = Object.keys({ ...limits, ...connection, ...session })
    const table =
      textOf('SECURITY.md')
        .split(/^## What a client may hold$/m)[1]
        ?.split(/^## /m)[0] ?? ''
    const marked = [...table.matchAll(/`([^`]+)`/g)].map(match => match[1] as string)
    const tests = marked.filter(name => name.endsWith('.test.ts'))
    const options = marked.filter(name => /^[a-z]+[A-Z]\w*$/.test(name) || name === 'heartbeat')
    expect([tests.length > 10, options.length > 15]).to.deep.equal([true, true])
    expect(names).to.include.members(options)
    for (const name of tests) expect(existsSync(join(ROOT, 'test', name)), name).to.equal(true)
  })

  for (const example of ['server', 'client']) {
    it(`the README has examples/${example}.cjs, whole`, () => {
      expect(readme).to.include(`\`\`\`js\n${textOf(`examples/${example}.cjs`)}\`\`\`\n`)
    })
  }

  it('the README has no code but these two programs', () => {
    expect(codeOf(readme)).to.have.length(2)
  })

  for (const [heading, ...examples] of [
    ['Delivery', 'deliver'],
    ['Reconnect', 'reconnect', 'server'],
    ['Sessions', 'session'],
    ['Who may connect', 'authorize']
  ] as const) {
    it(`docs/api.md has under "${heading}" a part of ${examples.map(name => `examples/${name}.cjs`).join(' and of ')}`, () => {
      const blocks = codeOf(sectionOf(api, heading))
      for (const name of examples) {
        const program = textOf(`examples/${name}.cjs`)
        expect(blocks.filter(block => program.includes(block))).to.have.length(1)
      }
      // A sketch leaves out what does not matter there.
      const others = blocks.filter(block => !/…|fullJitter/.test(block))
      expect(others).to.have.length(examples.length)
    })
  }

  it('examples/README.md names each program of its folder', () => {
    const programs = readdirSync(join(ROOT, 'examples')).filter(name => /\.[cm]js$/.test(name))
    expect(matches(textOf('examples/README.md'), /\[([\w-]+\.[cm]js)\]/g).sort()).to.deep.equal(
      programs.sort()
    )
  })

  it('the README has the two commands that do everything', () => {
    for (const command of ['npm ci && npm start', 'npm ci && npm test']) {
      expect(readme).to.include(`\`\`\`sh\n${command}\n\`\`\`\n`)
    }
  })

  for (const door of ['lib/index.ts', 'lib/testing/index.ts']) {
    it(`docs/api.md names everything that ${door} exports`, () => {
      const names = matches(textOf(door), /\{([^}]*)\}/g)
        .flatMap(list => list.split(','))
        .map(name => name.replace(/\btype\b/, '').trim())
        .filter(name => name !== '')
      expect(names).to.have.length.above(4)
      for (const name of names) expect(api).to.match(new RegExp(`\`(?:new )?${name}\\b`))
    })
  }

  describe('docs/api.md has a heading in the section of its class for', () => {
    for (const [file, type] of [
      ['connection/connection', Connection],
      ['client/token-client', TokenClient],
      ['server/token-server', TokenServer]
    ] as const) {
      const section = sectionOf(api, `Class: \`${type.name}\``)
      const source = textOf(`lib/${file}.ts`)
      const events = textOf(
        `lib/${{ Connection: 'connection/connection-context', TokenClient: 'client/client-events', TokenServer: 'server/server-events' }[type.name]}.ts`
      )

      it(`each event of ${type.name}`, () => {
        const body =
          events.match(new RegExp(`interface ${type.name}Events(?:<.*>)? \\{([\\s\\S]*?)^\\}`, 'm'))?.[1] ??
          ''
        const names = matches(body, /^ {2}'?([\w-]+)'?: \[/gm)
        expect(names).to.include.members(['token', 'error', 'close'])
        expect(matches(section, /^### Event: `'([\w-]+)'`$/gm).sort()).to.deep.equal(names.sort())
      })

      it(`each property and method of ${type.name}`, () => {
        const called = Object.getOwnPropertyNames(type.prototype).filter(name => name !== 'constructor')
        const [, body = ''] = source.split(`export class ${type.name}`)
        const fields = matches(body, /^ {2}(?:readonly )?(\w+)[!?]?(?:: | = )/gm)
        const variable = { Connection: 'connection', TokenClient: 'client', TokenServer: 'server' }[type.name]
        const headings = matches(section, new RegExp(`^### \`${variable}\\.(\\w+)`, 'gm'))
        expect(headings.sort()).to.deep.equal([...called, ...fields].sort())
      })
    }
  })

  it('docs/api.md has an entry for each policy of a server and of a client, and for what ends must agree on', () => {
    const source = ['client/client', 'options/connection', 'server/server']
      .map(of => textOf(`lib/${of}-options.ts`))
      .join('\n')
    for (const [type, heading] of [
      ['ServerPolicies', 'Class: `TokenServer`'],
      ['ClientPolicies', 'Class: `TokenClient`'],
      ['ProtocolOptions', 'Class: `Connection`']
    ] as const) {
      const body = source.match(new RegExp(`interface ${type}(?:<.*>)? \\{([\\s\\S]*?)^\\}`, 'm'))?.[1] ?? ''
      const options = matches(body, /^ {2}(\w+)\?: /gm)
      expect(options).to.include('protocol')
      for (const option of options) expect(sectionOf(api, heading)).to.include(`  - \`${option}\` {`)
    }
  })

  for (const page of PAGES) {
    it(`every link in ${page} leads somewhere`, () => {
      expect(deadLinks(ROOT, page)).to.deep.equal([])
    })
  }
})

function textOf(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}

function matches(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(match => match[1] as string)
}

/** The programs and parts of programs in a text. */
function codeOf(text: string): string[] {
  return matches(text, /^```js\n([\s\S]*?)^```$/gm)
}

/** From a heading of level 2 to the next. */
function sectionOf(text: string, heading: string): string {
  const [, section] = text.split(`\n## ${heading}\n`) as [string, string?]
  return section?.split('\n## ')[0] ?? ''
}
