// Loads the ALTCHA widget, says our words in it, and sets it to work at once. Brought along only by the page that asks
// for the check, and by a follow box on a publisher's page that was told it needs one.
import './altcha.js'

const work = new URL('./altcha-work.js', import.meta.url)

// A worker must come from the page's own origin: on a publisher's page it is handed over as text.
async function openWorker() {
  if (work.origin === location.origin) return new Worker(work)
  const answer = await fetch(work, { credentials: 'omit', referrerPolicy: 'no-referrer' })
  return new Worker(URL.createObjectURL(new Blob([await answer.text()], { type: 'text/javascript' })))
}
$altcha.algorithms.set('PBKDF2/SHA-256', openWorker)

function widgetFor(challenge, settings) {
  const widget = document.createElement('altcha-widget')
  const plain = { challenge, hideFooter: true, hideLogo: true, humanInteractionSignature: false, minDuration: 0 }
  widget.setAttribute('configuration', JSON.stringify({ ...plain, ...settings }))
  return widget
}

/** Solves a challenge out of sight; what comes back goes into `altcha` of the next request. */
export async function solve(challenge) {
  const widget = widgetFor(challenge, { display: 'invisible' })
  // It can be spoken to once it has said that it is there.
  const ready = new Promise((resolve) => widget.addEventListener('load', resolve, { once: true }))
  document.body.append(widget)
  try {
    await ready
    const { payload } = await widget.verify()
    return payload
  } finally {
    widget.remove()
  }
}

// Whoever is quicker than the check waits for it to end, one way or the other, and need not press again.
function waitForCheck(form, widget) {
  let isWaiting = false
  form.addEventListener('submit', (event) => {
    if (widget.getState() !== 'verifying') return
    event.preventDefault()
    isWaiting = true
  })
  widget.addEventListener('statechange', ({ detail }) => {
    if (!isWaiting || detail.state === 'verifying') return
    isWaiting = false
    setTimeout(() => form.requestSubmit())
  })
}

for (const place of document.querySelectorAll('.check[data-challenge]')) {
  const { language, ...words } = JSON.parse(place.dataset.words)
  $altcha.i18n.set(language, { ...$altcha.i18n.get('en'), ...words, waitAlert: words.verifying })
  const widget = widgetFor(place.dataset.challenge, { auto: 'onload', language, name: 'altcha' })
  widget.setAttribute('language', language)
  place.replaceChildren(widget)
  waitForCheck(place.closest('form'), widget)
}
