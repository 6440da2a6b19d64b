// A newsroom's follow box on a publisher's own page. The form stands in the page already and works without this; here
// it is shown anew in the page's language, answers in place, and says aloud what went wrong. No cookie, nothing kept,
// nothing asked of anybody but the newsroom's own house.
;(() => {
  const style = `
:host { display: block; max-width: var(--pressebud-width, 26rem); color: inherit; font: inherit; }
* { box-sizing: border-box; }
form { display: grid; gap: var(--pressebud-gap, 1rem); }
p, h2, fieldset { margin: 0; padding: 0; border: 0; min-width: 0; }
[part~="field"] { display: grid; gap: .375rem; }
label, legend { font-weight: 600; }
input, select, button { font: inherit; color: inherit; }
[part~="input"], select { width: 100%; min-height: 2.75rem; padding: .5rem .75rem; background: var(--pressebud-field, transparent); border: 1px solid var(--pressebud-edge, currentcolor); border-radius: var(--pressebud-radius, .25rem); }
option { color: initial; }
fieldset { display: grid; gap: .25rem; }
legend { margin-bottom: .25rem; padding: 0; }
[part~="tick"] { display: flex; gap: .625rem; padding-block: .25rem; font-weight: 400; }
[type="checkbox"] { flex: none; width: 1.5rem; height: 1.5rem; margin: 0; accent-color: var(--pressebud-accent, auto); }
button { min-height: 2.75rem; padding: .5rem 1.25rem; border: 1px solid transparent; border-radius: var(--pressebud-radius, .25rem); background: var(--pressebud-accent, #1f4e79); color: var(--pressebud-accent-ink, #fff); font-weight: 600; cursor: pointer; }
:focus-visible { outline: 3px solid var(--pressebud-focus, currentcolor); outline-offset: 2px; }
[part~="consent"], [part~="hint"] { font-size: .875em; }
[part~="fault"] { color: var(--pressebud-fault, inherit); font-weight: 600; }
[part~="done"] { display: grid; gap: .5rem; }
h2 { line-height: 1.25; }
h2:focus-visible { outline: 0; }
[hidden], p:empty { display: none; }
`
  class PressebudFollow extends HTMLElement {
    async connectedCallback() {
      const plain = this.querySelector('form')
      if (!plain || this.shadowRoot) return
      this.door = new URL(plain.action)
      const language = this.closest('[lang]')?.lang || document.documentElement.lang
      const box = new URL(this.door.href.replace('/subscriptions', '/follow-box'))
      if (language) box.searchParams.set('language', language.split('-')[0])
      try {
        const answer = await ask(box)
        if (answer.ok) this.show(await answer.json())
      } catch {
        // Not reached, or not allowed here: the form in the page stays, and works.
      }
    }

    show({ form, words, language }) {
      this.words = words
      this.language = language
      const root = this.attachShadow({ mode: 'open' })
      const sheet = new CSSStyleSheet()
      sheet.replaceSync(style)
      root.adoptedStyleSheets = [sheet]
      root.innerHTML = `<div lang="${language}">${form}</div>`
      this.replaceChildren()
      this.form = root.querySelector('form')
      this.form.noValidate = true
      this.email = root.querySelector('[name=email]')
      this.said = document.createElement('p')
      this.said.id = 'said'
      this.said.setAttribute('part', 'fault')
      this.said.setAttribute('role', 'alert')
      this.email.before(this.said)
      this.state = document.createElement('p')
      this.state.setAttribute('part', 'state')
      this.state.setAttribute('role', 'status')
      this.form.append(this.state)
      this.form.addEventListener('submit', (event) => {
        event.preventDefault()
        this.send()
      })
    }

    fault(text) {
      this.said.textContent = text
      this.email.setAttribute('aria-invalid', !!text)
      const consent = this.email.getAttribute('aria-describedby').replace('said ', '')
      this.email.setAttribute('aria-describedby', text ? `said ${consent}` : consent)
      if (text) this.email.focus()
    }

    async send(altcha) {
      if (this.busy && !altcha) return
      this.fault('')
      this.email.value = this.email.value.trim()
      if (!this.email.value || !this.email.checkValidity()) return this.fault(this.words.address)
      this.busy = true
      this.state.textContent = this.words.sending
      try {
        const given = new FormData(this.form)
        if (given.get('comment')) return this.done()
        const wish = { email: given.get('email'), frequency: given.get('frequency'), topics: given.getAll('topics') }
        if (given.get('language')) wish.language = given.get('language')
        if (altcha) wish.altcha = altcha
        this.door.searchParams.set('language', this.language)
        const answer = await ask(this.door, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(wish),
        })
        await this.read(answer, altcha)
      } catch {
        // Whatever stands between us and the house: the form itself still goes there.
        this.form.submit()
      }
      this.busy = false
    }

    async read(answer, altcha) {
      this.state.textContent = ''
      if (answer.status === 202) return this.done()
      if (answer.status === 429) this.state.textContent = this.words.busy
      else if (answer.status === 428 && !altcha) {
        this.state.textContent = this.words.sending
        const { challenge } = await answer.json()
        const { solve } = await import(new URL('/assets/challenge.js', this.door))
        await this.send(await solve(challenge))
      } else if (answer.status === 422 && (await answer.json()).errors?.[0]?.pointer === '/email')
        this.fault(this.words.address)
      else throw answer.status
    }

    done() {
      const told = document.createElement('div')
      told.setAttribute('part', 'done')
      for (const [name, text] of [
        ['h2', 'title'],
        ['p', 'body'],
        ['p', 'wait'],
      ]) {
        const line = document.createElement(name)
        line.textContent = this.words[text]
        told.append(line)
      }
      told.firstChild.tabIndex = -1
      this.form.replaceWith(told)
      told.firstChild.focus()
    }
  }

  const ask = (url, more) => fetch(url, { credentials: 'omit', referrerPolicy: 'no-referrer', ...more })

  if (!customElements.get('pressebud-follow')) customElements.define('pressebud-follow', PressebudFollow)
})()
