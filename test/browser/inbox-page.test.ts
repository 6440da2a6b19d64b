import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { axeFaultsInEveryLook } from '../rig/accessibility.ts'
import { type Chromium, hasChromium, openChromium } from '../rig/chromium.ts'
import { type InboxProcess, startInbox } from '../rig/inbox-process.ts'

/** A foreign server: counts who comes, and what with. */
type Foreign = { readonly url: string; readonly visits: string[] }

describe.skipIf(!hasChromium)('[chromium] the inbox in a browser', { timeout: 120_000 }, () => {
  let browser: Chromium
  let dataDir = ''
  let inbox: InboxProcess
  let foreign: Foreign
  let closeForeign = () => {}

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'pressebud-inbox-'))
    inbox = await startInbox(dataDir)
    const visits: string[] = []
    const server = createServer((asked, answer) => {
      visits.push(asked.url ?? '')
      answer
        .setHeader('content-type', 'text/html')
        .end('<!doctype html><title>Elsewhere</title><script>document.title += " with script"</script>')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    foreign = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, visits }
    closeForeign = () => void server.close()
    browser = await openChromium()
  }, 60_000)
  afterAll(async () => {
    await browser?.close()
    closeForeign()
    await inbox?.stop()
    rmSync(dataDir, { recursive: true, force: true })
  })
  beforeEach(async () => {
    await fetch(`${inbox.url}/api/letters`, { method: 'DELETE' })
    foreign.visits.length = 0
  })

  const send = (to: string, subject: string, html = '<p>Hei</p>') =>
    inbox.sender.sendMail({ from: 'Nordlys kraft <press@nordlys.example>', to, subject, html, text: 'Hei' })
  async function open(path: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await browser.newContext(options)
    onTestFinished(() => context.close())
    const page = await context.newPage()
    await page.goto(inbox.url + path)
    return page
  }
  const newestId = async () =>
    ((await (await fetch(`${inbox.url}/api/letters`)).json()) as { id: number }[]).at(-1)?.id ?? 0

  test('a newcomer finds out what to do, and letters appear by themselves until the list is paused', async () => {
    const page = await open('/')
    await page.clock.install()
    await page.reload()
    await page.getByRole('heading', { name: 'No letters yet' }).waitFor()
    await send('kari@example.com', 'Bekreft at du vil følge oss')
    await page.clock.fastForward(2_000)
    await page.getByRole('link', { name: 'Bekreft at du vil følge oss' }).waitFor()
    await page.getByRole('status').filter({ hasText: 'New letter: Bekreft at du vil følge oss' }).waitFor()

    const first = page.getByRole('link', { name: 'Bekreft at du vil følge oss' })
    await first.focus()
    await send('kari@example.com', 'Nummer to')
    await page.clock.fastForward(2_000)
    await page.getByRole('link', { name: 'Nummer to' }).waitFor()
    expect(await first.evaluate((link) => link === link.ownerDocument.activeElement)).toBe(true)

    await page.getByRole('button', { name: 'Pause live list' }).click()
    expect(await page.getByRole('button').allTextContents()).toContain('Resume live list')
  })

  test('a letter is found by recipient and by words, and opened to all four views, without script', async () => {
    await send('kari@example.com', 'Nytt kraftverk')
    await send('ola@example.com', 'Nytt kraftverk')
    await send('ola@example.com', 'Rettelse')
    const page = await open('/', { javaScriptEnabled: false })
    await page.getByLabel('Recipient', { exact: true }).fill('OLA@example.com')
    await page.getByLabel('Words in subject, sender or recipient').fill('kraftverk')
    await page.getByRole('button', { name: 'Search' }).click()
    expect(await page.locator('.subject').allTextContents()).toEqual(['Nytt kraftverk'])
    await page.getByRole('link', { name: 'Nytt kraftverk' }).click()
    await page.frameLocator('iframe').getByText('Hei').waitFor()
    await page.getByRole('link', { name: 'Text' }).click()
    expect(await page.getByRole('region', { name: 'Text of the letter' }).textContent()).toBe('Hei\n')
    await page.getByRole('link', { name: 'Headers' }).click()
    await page.getByText('Nordlys kraft <press@nordlys.example>').first().waitFor()
    await page.getByRole('link', { name: 'Source' }).click()
    expect(await page.locator('.source').textContent()).toContain('Subject: Nytt kraftverk')
  })

  test('nothing in a letter runs, submits, phones home or reaches the inbox, whichever way it is opened', async () => {
    const target = foreign.url
    await send(
      'kari@example.com',
      `<img src=x onerror="document.title='struck'">`,
      `<!doctype html><html><head><base href="${target}/"><meta http-equiv="refresh" content="0;url=${target}/refresh">
      <link rel="stylesheet" href="${target}/style"><style>@import "${target}/import"; p { background: url(${target}/css) }</style></head>
      <body onload="top.document.title='struck'"><p>Letter</p><script>top.document.title='struck'; fetch('/api/letters',{method:'DELETE'})</script>
      <img src="${target}/pixel"><img src="x" onerror="parent.document.title='struck'"><svg onload="alert(1)"></svg>
      <iframe src="${target}/frame"></iframe><object data="${target}/object"></object><video src="${target}/video" autoplay></video>
      <form action="/letters/delete-all" method="post"><button>Win</button></form>
      <a href="javascript:top.document.title='struck'">script link</a></body></html>`,
    )
    const id = await newestId()
    for (const path of [`/letters/${id}`, `/letters/${id}/body`]) {
      const page = await open(path)
      const dialogs: string[] = []
      page.on('dialog', (dialog) => {
        dialogs.push(dialog.message())
        void dialog.dismiss()
      })
      const body = path.endsWith('body') ? page : page.frameLocator('iframe')
      await body.getByText('Letter').waitFor()
      await body.getByRole('button', { name: 'Win' }).click()
      await body.getByRole('link', { name: 'script link' }).click()
      await page.reload({ waitUntil: 'networkidle' })
      expect(await page.title()).not.toBe('struck')
      expect(dialogs).toEqual([])
    }
    const list = await open('/')
    expect(await list.title()).toBe('Letters – Pressebud inbox')
    expect(await list.locator('.subject').textContent()).toContain('onerror')
    expect(foreign.visits).toEqual([])
    expect(await newestId()).toBe(id)
    const policy = (await fetch(`${inbox.url}/letters/${id}/body`)).headers.get('content-security-policy') ?? ''
    expect(policy).not.toMatch(/allow-scripts|allow-same-origin|allow-forms|allow-top-navigation/)
  })

  test("a letter's link opens a page that works, in a tab of its own; pictures are loaded when asked for", async () => {
    await send(
      'kari@example.com',
      'Bekreft',
      `<a href="${foreign.url}/confirm">Bekreft</a><img src="${foreign.url}/picture" alt="">`,
    )
    const page = await open(`/letters/${await newestId()}`)
    const [tab] = await Promise.all([
      page.waitForEvent('popup'),
      page.frameLocator('iframe').getByRole('link', { name: 'Bekreft' }).click(),
    ])
    await tab.waitForLoadState()
    expect(await tab.title()).toBe('Elsewhere with script')
    expect(foreign.visits.filter((visit) => visit !== '/favicon.ico')).toEqual(['/confirm'])
    await page.getByRole('link', { name: 'Load pictures' }).click()
    await expect.poll(() => foreign.visits, { timeout: 20_000 }).toContain('/picture')
  })

  test('mail for an address is refused from its letter, and a mistake in the form is explained beside it', async () => {
    await send('ola@example.com', 'Hei')
    const page = await open(`/letters/${await newestId()}`)
    await page.getByRole('link', { name: 'Refuse mail for this address' }).click()
    await page.getByLabel('Another answer').check()
    await page.getByLabel('Code').fill('250')
    await page.getByRole('button', { name: 'Refuse this mail' }).click()
    await page.getByRole('alert').filter({ hasText: 'The code is a number from 400 to 599.' }).waitFor()
    expect(await page.getByLabel('Address or domain').inputValue()).toBe('ola@example.com')
    await page.getByLabel('Code').fill('452')
    await page.getByLabel('Text').fill('4.2.2 Mailbox full')
    await page.getByRole('button', { name: 'Refuse this mail' }).click()
    await page.getByText('Refused 0 of 1').waitFor()
    await expect(send('ola@example.com', 'again')).rejects.toMatchObject({ response: '452 4.2.2 Mailbox full' })
    await page.reload()
    await page.getByText('Refused 1 of 1').waitFor()
    await page.getByRole('button', { name: 'Remove the rule for ola@example.com' }).click()
    await page.getByText('No rules: every letter is taken.').waitFor()
  })

  test('all letters are deleted after a second yes; a single one is counted as one', async () => {
    await send('ola@example.com', 'Hei')
    const one = await open('/?q=zeppelin')
    await one.getByText('The one letter here does not fit the words “zeppelin”.').waitFor()
    await one.getByText('Delete all letters').click()
    await one.getByText('This deletes the one letter here. It cannot be undone.').waitFor()
    await send('kari@example.com', 'Hei igjen')
    const page = await open('/')
    expect(await page.getByRole('button', { name: 'Yes, delete them all' }).isVisible()).toBe(false)
    await page.getByText('Delete all letters').click()
    await page.getByRole('button', { name: 'Yes, delete them all' }).click()
    await page.getByRole('heading', { name: 'No letters yet' }).waitFor()
  })

  test('every page reads well in light and dark, on a phone and by machine: no axe finding, nothing to scroll sideways', async () => {
    const long = `${'en.svaert.lang.adresse.'.repeat(2)}x@avdelingen.for.lange.navn.example.com`
    await send(
      long,
      'Donaudampfschifffahrtsgesellschaftskapitänsmütze'.repeat(2),
      '<img src="https://pictures.example/x.png" alt="">',
    )
    await fetch(`${inbox.url}/api/refusals`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ to: long, times: 1 }),
    })
    const id = await newestId()
    const letter = ['', '/text', '/headers', '/source'].map((view) => `/letters/${id}${view}`)
    const page = await open('/', { viewport: { width: 320, height: 640 } })
    for (const path of ['/', '/?to=nobody@example.com', '/?before=1', ...letter, '/refusals', '/letters/99999']) {
      await page.goto(inbox.url + path)
      const look = async () =>
        expect(await page.evaluate('document.documentElement.scrollWidth'), path).toBeLessThanOrEqual(320)
      expect(await axeFaultsInEveryLook(page, [320], { look }), path).toEqual([])
    }
  })
})
