// Renews the figures of a page from its feed. The page is whole without it; this only saves pressing reload.
{
  const every = 2_000
  const main = document.querySelector('main[data-feed]')
  const note = main?.querySelector('[data-live]')
  const text = main?.querySelector('[data-live-text]')
  const toggle = main?.querySelector('[data-live-toggle]')
  const count = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 0 })
  let running = true
  let asking = false
  let timer
  // A reload would take the place of the page just asked for. Of one that is only downloaded the wait ends by itself.
  const longestLeaving = 10_000
  let leftAt = Number.NEGATIVE_INFINITY

  const renew = async () => {
    clearTimeout(timer)
    // The one under way sets the next timer: with a second one two would renew the page ever after.
    if (!running || asking) return
    asking = true
    if (!document.hidden) await ask()
    asking = false
    if (running) timer = setTimeout(renew, every)
  }

  const ask = async () => {
    try {
      const headers = { accept: 'application/json' }
      const answer = await fetch(main.dataset.feed, { headers, signal: AbortSignal.timeout(10_000) })
      if (answer.status === 401) return stopFor('Your login has lapsed. Reload the page to log in again.')
      if (!answer.ok) return tell('The desk could not tell new figures; trying again.')
      for (const mailing of (await answer.json()).mailings) show(mailing)
      if (running) tell('These figures renew themselves every 2 seconds.')
    } catch {
      tell('The desk does not answer; these figures are the last it told. Trying again.')
    }
  }

  const show = (mailing) => {
    const place = main.querySelector(`[data-mailing="${mailing.id}"]`)
    if (!place) return
    // Another state has other words and buttons: the server writes those.
    if (place.dataset.state !== mailing.state) {
      if (performance.now() - leftAt < longestLeaving) return
      running = false
      // The answer to a button that changed nothing has the button's address: loaded again it would press it again.
      if (main.dataset.page) location.assign(main.dataset.page)
      else location.reload()
      return
    }
    for (const [name, words] of Object.entries(mailing.texts))
      for (const spot of place.querySelectorAll(`[data-figure="${name}"]`))
        if (spot.textContent !== words) spot.textContent = words
    const bar = place.querySelector('[data-bar]')
    bar.max = mailing.bar.most
    bar.value = mailing.bar.value
    bar.textContent = mailing.bar.text
    const spot = place.querySelector('[data-now]')
    if (spot) spot.textContent = speed(mailing)
  }

  // Over the last minute of answers, because the average since the start says little about now.
  const heard = []
  const speed = ({ settled, bar }) => {
    const at = performance.now()
    heard.push({ at, settled })
    while (at - heard[0].at > 60_000) heard.shift()
    const seconds = (at - heard[0].at) / 1000
    if (seconds < 5) return ''
    const perSecond = (settled - heard[0].settled) / seconds
    if (perSecond <= 0) return '. At the moment nothing moves.'
    const left = (bar.most - settled) / perSecond
    const rest =
      left < 1 ? '' : `, about ${left < 90 ? `${count.format(left)} s` : `${count.format(left / 60)} min`} for the rest`
    return `. At the moment ${count.format(perSecond * 60)} a minute${rest}.`
  }

  const tell = (words) => {
    if (text.textContent !== words) text.textContent = words
  }

  const stopFor = (words) => {
    running = false
    tell(words)
    toggle.hidden = true
  }

  if (main && note && text && toggle) {
    note.hidden = false
    toggle.addEventListener('click', () => {
      running = !running
      toggle.textContent = running ? 'Stop renewing' : 'Renew again'
      tell(running ? 'These figures renew themselves every 2 seconds.' : 'These figures stand still.')
      renew()
    })
    document.addEventListener('visibilitychange', renew)
    addEventListener('beforeunload', () => {
      leftAt = performance.now()
    })
    timer = setTimeout(renew, every)
  }
}
