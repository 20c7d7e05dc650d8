import { machineLine, versionsLine } from './machine.js'
import { itemReport } from './report.js'

const BEGIN = '<!-- tables: written by npm run bench -->'
const END = '<!-- end of tables -->'

/** The page with the tables of these results between its two marks, and nothing else of it changed. */
export function withTables(page, results) {
  const begin = page.indexOf(BEGIN)
  const end = page.indexOf(END)
  if (begin < 0 || end < begin) throw new Error('the page has no place for tables')
  return page.slice(0, begin + BEGIN.length) + tables(results) + page.slice(end)
}

function tables({ date, seed, pace, machine, items }) {
  const about = [
    `${date.slice(0, 10)}${machine.commit ? `, commit ${machine.commit}` : ''}. ${machineLine(machine)}.`,
    versionsLine(machine),
    `Seed ${seed}, turns of ${pace.ms} ms, up to ${pace.rounds} rounds.`
  ]
  const blocks = items.map(item => `\`\`\`text\n${itemReport(item)}\n\`\`\``)
  return `\n\n${about.join('\n')}\n\n${blocks.join('\n\n')}\n\n`
}
