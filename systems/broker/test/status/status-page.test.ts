import { expect } from 'chai'
import type { Refusal } from '../../lib'
import { Counters } from '../../lib/core/counters'
import { statusPage } from '../../lib/status/status-page'
import type { StatusReport } from '../../lib/status/status-report'
import { visibleText } from '../../lib/status/visible-text'

const NOTHING = { published: 0, delivered: 0, dropped: 0, refused: 0, storeErrors: 0, cpu: 0 }

const QUIET: StatusReport = {
  host: 'here',
  at: Date.UTC(2026, 0, 2, 3, 4, 5),
  uptime: 90,
  memoryBytes: 2 ** 20,
  storeDown: null,
  connections: { open: 3, most: 10 },
  perSecond: NOTHING,
  lastMinute: NOTHING,
  sinceStart: NOTHING,
  seconds: [NOTHING, NOTHING],
  topTopics: { topics: [], uncertainty: 0 },
  slowConsumers: [],
  maxWaitingBytes: 2 ** 20,
  refusals: [],
  counters: new Counters()
}

const page = (over: Partial<StatusReport> = {}) => String(statusPage({ ...QUIET, ...over }))

/** Of a page whose only elements and attributes are those of our templates, the names of both. */
const markup = (text: string) => text.match(/<\/?[a-z!][^>]*>/gi)?.map(tag => tag.replace(/"[^"]*"/g, '""'))

const HOSTILE = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onmouseover='alert(1)",
  '</main></body><!--',
  ']]><svg/onload=alert(1)>',
  '&lt;script&gt;',
  'forged\u202egpj.exe',
  'two\r\nlines',
  'x'.repeat(65_536),
  `<${'script>'.repeat(10_000)}`
]

describe('statusPage', () => {
  const refusal = (text: string): Refusal => ({
    id: '0123abcd',
    at: 0,
    what: 'publish',
    why: text,
    connection: text,
    address: text,
    user: text,
    clientId: text,
    topic: text
  })

  function hostile(text: string): string {
    const since = 0
    return page({
      host: text,
      topTopics: { topics: [{ topic: text, messagesPerSecond: 1, bytesPerSecond: 1 }], uncertainty: 2 },
      slowConsumers: [
        { connection: text, user: text, clientId: text, address: text, since, waitingBytes: 2 ** 19 }
      ],
      refusals: [refusal(text)]
    })
  }

  for (const text of HOSTILE) {
    it(`makes text of ${visibleText(text).slice(0, 32)}, wherever a stranger may have put it`, () => {
      const shown = hostile(text)
      expect(markup(shown)).to.deep.equal(markup(hostile('harmless')))
      expect(shown).not.to.match(/[\u202e\r]/)
      expect(shown.length).to.be.below(40_000)
    })
  }

  it('says that there are no problems, or which', () => {
    expect(page()).to.include('No problems in the last minute.')
    const troubled = page({
      storeDown: 'no connection to Redis',
      connections: { open: 10, most: 10 },
      perSecond: { ...NOTHING, cpu: 0.97 },
      lastMinute: { dropped: 1_234, refused: 5, storeErrors: 1 }
    })
    expect(troubled).to.include(
      'The store is away: no connection to Redis. The store failed once in the last minute. 1,234 messages were dropped in the last minute. All 10 connections are taken. The broker uses 97 % of a core.'
    )
    expect(troubled).not.to.include('No problems')
  })

  it('draws rates on a scale of their own, and says when there were none', () => {
    const seconds = [0, 300, 450].map(published => ({ ...NOTHING, published }))
    const shown = page({ seconds })
    expect(shown).to.include('<p class="scale">500</p>').and.include('117,40.00 118,16.00 119,4.00')
    expect(shown.match(/None in the last two minutes/g)).to.have.lengthOf(1)
    expect(page({ seconds: [] }).match(/None in the last two minutes/g)).to.have.lengthOf(2)
  })

  it('says how sure it is of the topics when there are more than are counted', () => {
    const topics = [{ topic: 'a', messagesPerSecond: 3.25, bytesPerSecond: 2_048 }]
    const shown = page({ topTopics: { topics, uncertainty: 12 } })
    expect(shown).to.include('3.3</td>').and.include('2.0 KiB').and.include('up to 12 messages/s more')
    expect(page({ topTopics: { topics, uncertainty: 0 } })).not.to.include('There are more topics')
  })
})
