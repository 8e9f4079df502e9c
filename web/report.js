// What a report does by itself: charts and their data are taken along as SVG, PNG, CSV or Vega-Lite.
const dataOf = (kind, id) =>
  JSON.parse(document.querySelector(`script[data-${kind}="${CSS.escape(id)}"]`).textContent)

/** The chart that is on the screen, as a file of its own: with its title, and the colours of the theme at hand. */
const svgOf = (id) => {
  const figure = document.getElementById(id)
  const shown = [...figure.querySelectorAll('[role=img] > svg')].find(
    (svg) => svg.getClientRects().length > 0,
  )
  const svg = (shown ?? figure.querySelector('svg')).cloneNode(true)
  const [width, height] = [Number(svg.getAttribute('width')), Number(svg.getAttribute('height'))]
  const theme = getComputedStyle(document.documentElement)
  const colour = (name) => theme.getPropertyValue(name).trim()
  const make = (name, attributes, text = '') => {
    const element = document.createElementNS('http://www.w3.org/2000/svg', name)
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value)
    element.textContent = text
    return element
  }
  const title = figure.querySelector('figcaption :is(h2, h3)').textContent
  const font = { 'font-family': 'system-ui, sans-serif', 'font-size': 15, 'font-weight': 600 }
  svg.setAttribute('viewBox', `0 -36 ${width} ${height + 36}`)
  svg.setAttribute('height', height + 36)
  svg.prepend(
    make('rect', { y: -36, width, height: height + 36, fill: colour('--paper') }),
    make('text', { x: 6, y: -14, fill: colour('--ink'), ...font }, title),
  )
  return new XMLSerializer()
    .serializeToString(svg)
    .replace(/var\((--\w+), #[0-9a-f]+\)/g, (_, name) => colour(name))
}

const csvOf = (records) => {
  const heads = [...new Set(records.flatMap((record) => Object.keys(record)))]
  const cell = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value)
  const lines = [heads, ...records.map((record) => heads.map((head) => String(record[head] ?? '')))]
  return lines.map((line) => `${line.map(cell).join(',')}\r\n`).join('')
}

const pngOf = async (svg) => {
  const image = new Image()
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`
  await image.decode()
  const canvas = document.createElement('canvas')
  canvas.width = 2 * image.width
  canvas.height = 2 * image.height
  canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height)
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/png'))
}

const MAKERS = {
  svg: (id) => new Blob([svgOf(id)], { type: 'image/svg+xml' }),
  png: (id) => pngOf(svgOf(id)),
  csv: (id) => new Blob([csvOf(dataOf('records', id))], { type: 'text/csv' }),
  json: (id) => new Blob([JSON.stringify(dataOf('spec', id), null, 2)], { type: 'application/json' }),
}

document.addEventListener('click', async (event) => {
  const button = event.target.closest('button[data-take]')
  if (button === null) return
  const { take, of } = button.dataset
  const url = URL.createObjectURL(await MAKERS[take](of))
  const link = Object.assign(document.createElement('a'), { href: url, download: `${of}.${take}` })
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
})

// Without the script there is nothing that the buttons could do.
for (const tools of document.querySelectorAll('.tools')) tools.hidden = false

// A link that leads into something folded opens it.
const open = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)))
  for (let folded = target?.closest('details'); folded; folded = folded.parentElement.closest('details'))
    folded.open = true
}
addEventListener('hashchange', open)
open()
