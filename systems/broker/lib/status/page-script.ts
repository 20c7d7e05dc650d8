/**
 * Of the page: fetches it anew and takes over what is live. Not while text is selected, which would be lost, nor while nobody sees it.
 * Without scripts the browser reloads the page itself.
 */
export const PAGE_SCRIPT = `
'use strict'
const INTERVAL = 2000
const alarm = document.getElementById('alarm')
const pace = document.getElementById('pace')
const usual = pace.textContent
let last = Date.now()
async function refresh() {
  const isSelecting = !getSelection().isCollapsed
  pace.textContent = isSelecting ? 'Paused while text is selected.' : usual
  if (document.hidden || isSelecting) return
  try {
    const response = await fetch('/status', { cache: 'no-store', signal: AbortSignal.timeout(5000) })
    if (!response.ok) throw new Error('The broker answers ' + response.status + ': reload the page.')
    const fresh = new DOMParser().parseFromString(await response.text(), 'text/html')
    for (const part of document.querySelectorAll('[data-live]')) part.replaceWith(fresh.getElementById(part.id))
    last = Date.now()
    alarm.hidden = true
  } catch (error) {
    const isSilent = error instanceof TypeError || error.name === 'TimeoutError'
    const age = Math.round((Date.now() - last) / 1000)
    alarm.textContent = (isSilent ? 'The broker does not answer.' : error.message) + ' These figures are ' + age + ' s old.'
    alarm.hidden = false
  }
}
async function loop() {
  await refresh()
  setTimeout(loop, INTERVAL)
}
setTimeout(loop, INTERVAL)
document.addEventListener('visibilitychange', refresh)
`
