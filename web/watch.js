// What the page of coppice watch does: it takes sections as they come, and keeps what the reader has open.
const state = document.getElementById('live-state')

/** Puts a section in the place of the old one; what was unfolded stays so, and the focus where it was. */
const put = (id, text) => {
  const section = document.getElementById(id)
  const reachable = () => [...section.querySelectorAll('a, button, summary, [tabindex]')]
  const open = new Set(
    [...section.querySelectorAll('details[open] > summary')].map((summary) => summary.textContent),
  )
  const focused = reachable().indexOf(document.activeElement)
  section.innerHTML = text
  for (const summary of section.querySelectorAll('summary'))
    if (open.has(summary.textContent)) summary.parentElement.open = true
  if (focused >= 0) reachable()[focused]?.focus({ preventScroll: true })
}

const events = new EventSource('/events')
events.addEventListener('open', () => {
  state.textContent = 'live'
})
events.addEventListener('sections', (event) => {
  for (const [id, text] of Object.entries(JSON.parse(event.data))) put(id, text)
  document.title = document.getElementById('live-finding').textContent
})
events.addEventListener('problem', (event) => {
  state.textContent = JSON.parse(event.data)
})
events.addEventListener('error', () => {
  state.textContent = 'not connected; waiting for coppice watch'
})
