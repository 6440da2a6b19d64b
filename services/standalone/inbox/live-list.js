// Keeps the list fresh without reloading: people keep their place, and screen readers hear how many letters came.
const every = 2000
const place = document.getElementById('live')
const news = document.getElementById('news')

const button = document.createElement('button')
button.type = 'button'
button.className = 'button quiet'
place.append(button)

let live = true
showState()
button.addEventListener('click', () => {
  live = !live
  showState()
  if (live) look()
})
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) look()
})
setInterval(look, every)

let looking = false
async function look() {
  if (!live || looking || document.hidden) return
  looking = true
  try {
    const answer = await fetch(location.href, { headers: { accept: 'text/html' } })
    if (answer.ok) showList(new DOMParser().parseFromString(await answer.text(), 'text/html'))
    showState()
  } catch {
    showState('The inbox does not answer')
  } finally {
    looking = false
  }
}

function showList(page) {
  const fresh = page.getElementById('letters')
  const shown = document.getElementById('letters')
  if (!fresh || (fresh.dataset.newest === shown.dataset.newest && fresh.dataset.found === shown.dataset.found)) return
  const came = Number(fresh.dataset.newest) > Number(shown.dataset.newest) ? fresh.querySelectorAll('.subject') : []
  const isNew = (link) => Number(link.id.replace('letter-', '')) > Number(shown.dataset.newest)
  const added = [...came].filter(isNew)
  for (const link of added) link.closest('li').classList.add('fresh')
  const held = shown.contains(document.activeElement) ? document.activeElement.id : ''
  shown.replaceWith(fresh)
  if (held) document.getElementById(held)?.focus({ preventScroll: true })
  document.getElementById('letter-count').textContent = page.getElementById('letter-count').textContent
  if (added.length > 0)
    news.textContent = added.length === 1 ? `New letter: ${added[0].textContent}` : `${added.length} new letters`
}

function showState(trouble) {
  button.textContent = live ? 'Pause live list' : 'Resume live list'
  place.dataset.state = trouble ? 'trouble' : live ? 'live' : 'paused'
  place.title = trouble ?? ''
}
