/**
 * What became of the contenders, in words.
 *
 * @param failures of a Bench
 * @returns `{ text, exitCode }`: 0 when ours were fine, whatever became of the others
 */
export function failureReport(failures) {
  const ours = failures.filter(({ isOurs }) => isOurs)
  const others = failures.filter(({ isOurs }) => !isOurs)
  const lines = others.map(failure => `left out: ${line(failure)}`)
  if (ours.length === 0) lines.push('Ours were fine.')
  else lines.push('Ours FAILED:', ...ours.map(failure => `  ${line(failure)}`))
  return { text: lines.join('\n'), exitCode: ours.length === 0 ? 0 : 1 }
}

function line({ title, where, reason }) {
  return `${title} in "${where}": ${reason}`
}
