import { once } from 'node:events'
import { appendFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { request } from 'node:http'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type InboxProcess, startInbox } from '../rig/inbox-process.ts'

type Listed = { id: number; to: string; from: string; subject: string; receivedAt: string; size: number }
type Opened = Listed & { text: string; html: string; raw: string; headers: [string, string][] }

let dataDir = ''
let inbox: InboxProcess
/** The number of the last letter before a test began. */
let before = 0

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'pressebud-inbox-'))
  inbox = await startInbox(dataDir)
})
beforeEach(async () => {
  if (inbox.child.exitCode !== null) inbox = await startInbox(dataDir)
  for (const { id } of await refusals()) await fetch(`${inbox.url}/api/refusals/${id}`, { method: 'DELETE' })
  await send('anybody@example.com', 'Of an earlier day')
  before = (await list()).at(-1)!.id
  await fetch(`${inbox.url}/api/letters`, { method: 'DELETE' })
})
afterAll(async () => {
  await inbox.stop()
  rmSync(dataDir, { recursive: true, force: true })
})

const send = (to: string, subject: string, more: object = {}) =>
  inbox.sender.sendMail({ from: 'Fjordkraft presse <press@fjordkraft.example>', to, subject, text: 'Hei', ...more })
const list = async (query = ''): Promise<Listed[]> =>
  (await (await fetch(`${inbox.url}/api/letters${query}`)).json()) as Listed[]
const read = async (id: number): Promise<Opened> =>
  (await (await fetch(`${inbox.url}/api/letters/${id}`)).json()) as Opened
const refuse = (rule: object) =>
  fetch(`${inbox.url}/api/refusals`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(rule),
  })
const refusals = async () => (await (await fetch(`${inbox.url}/api/refusals`)).json()) as { id: number }[]
const letterFiles = (folder = dataDir) => readdirSync(join(folder, 'inbox')).filter((name) => name.endsWith('.letters'))

/** A request as a browser would send it, with headers that fetch does not let a program set. */
function ask(method: string, path: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port: inbox.port, method, path, headers }, (answer) => {
      answer.resume()
      resolve(answer.statusCode ?? 0)
    })
    asked.on('error', reject).end()
  })
}

describe('letters', () => {
  test('a letter is listed by its envelope, and read in full: text, HTML, headers and source', async () => {
    await send('kari@example.com', 'Blåbærturen går videre 🫐', {
      html: '<p>Hei <b>Kari</b></p>',
      envelope: { from: 'bounce+abc@fjordkraft.example', to: 'kari@example.com' },
    })
    const [letter] = await list()
    expect(letter).toMatchObject({
      id: before + 1,
      to: 'kari@example.com',
      from: 'bounce+abc@fjordkraft.example',
      sender: 'Fjordkraft presse <press@fjordkraft.example>',
      subject: 'Blåbærturen går videre 🫐',
    })
    const opened = await read(before + 1)
    expect(opened.html).toContain('<b>Kari</b>')
    expect(opened.text).toContain('Hei')
    expect(opened.headers).toContainEqual(['From', 'Fjordkraft presse <press@fjordkraft.example>'])
    expect(opened.raw).toHaveLength(letter?.size ?? 0)
  })

  test('two recipients of one letter have a copy each, and are found however their address is written', async () => {
    await send('kari@example.com, ola@blåbær.example', 'To dere begge')
    expect((await list()).map(({ to }) => to)).toEqual(['kari@example.com', 'ola@blåbær.example'])
    expect(await list(`?to=${encodeURIComponent('KARI@Example.COM')}`)).toHaveLength(1)
    expect(await list('?to=ola@xn--blbr-roah.example')).toHaveLength(1)
    expect(await list('?to=ari@example.com')).toEqual([])
    expect((await list(`?after=${before + 1}`)).map(({ id }) => id)).toEqual([before + 2])
  })

  test('the bytes on disk are the bytes that were sent, dots and all', async () => {
    const raw = 'Subject: dots\r\n\r\n.\r\n..x\r\næøå without a charset\r\n'
    await inbox.sender.sendMail({ envelope: { from: 'a@example.com', to: 'b@example.com' }, raw })
    const answer = await fetch(`${inbox.url}/letters/${before + 1}/letter.eml`)
    expect(answer.headers.get('content-disposition')).toBe(`attachment; filename="letter-${before + 1}.eml"`)
    expect(await answer.text()).toBe(raw)
  })

  test('a restart shows every letter, forgets a line that was cut short, and numbers on', async () => {
    await send('kari@example.com', 'one')
    await send('kari@example.com', 'two')
    await inbox.stop()
    appendFileSync(join(dataDir, 'inbox', 'index.jsonl'), `{"id":${before + 3},"to":"ola@exa`)
    writeFileSync(join(dataDir, 'inbox', `${String(before + 3).padStart(9, '0')}.letters`), 'never acknowledged')
    inbox = await startInbox(dataDir)
    await send('ola@example.com', 'three')
    expect((await list()).map(({ id, subject }) => `${id - before} ${subject}`)).toEqual(['1 one', '2 two', '3 three'])
    expect((await read(before + 3)).text).toContain('Hei')
    await inbox.stop()
    inbox = await startInbox(dataDir)
    expect(await list()).toHaveLength(3)
  })

  test('only the newest are kept, and files of none but old ones leave the disk', async () => {
    const folder = join(dataDir, 'small')
    const small = await startInbox(folder, { INBOX_KEEP: '20' })
    const kept = async ({ url }: InboxProcess) => (await (await fetch(`${url}/api/letters`)).json()) as Listed[]
    const letter = (at: number) => ({
      from: 'a@example.com',
      to: 'kari@example.com',
      subject: `letter ${at}`,
      text: 'Hei',
    })
    await Promise.all(Array.from({ length: 1_100 }, (_, at) => small.sender.sendMail(letter(at))))
    const newest = Array.from({ length: 20 }, (_, at) => at + 1_081)
    expect((await kept(small)).map(({ id }) => id)).toEqual(newest)
    expect(letterFiles(folder).length).toBeLessThanOrEqual(2)
    await small.stop()
    const again = await startInbox(folder, { INBOX_KEEP: '20' })
    expect((await kept(again)).map(({ id }) => id)).toEqual(newest)
    const last = (await (await fetch(`${again.url}/api/letters/1100`)).json()) as Opened
    expect(last.text).toContain('Hei')
    await again.stop()
  })

  test('deleting all leaves nothing, and a number is never used again', async () => {
    await send('kari@example.com', 'one')
    expect((await fetch(`${inbox.url}/api/letters`, { method: 'DELETE' })).status).toBe(204)
    expect(letterFiles()).toEqual([])
    await inbox.stop()
    inbox = await startInbox(dataDir)
    await send('kari@example.com', 'two')
    expect((await list()).map(({ id }) => id)).toEqual([before + 2])
  })

  test('who waits for a letter gets it as it comes, or at once, or is told there is none', async () => {
    const next = (query: string) => fetch(`${inbox.url}/api/letters/next?${query}`)
    const waiting = next('to=ola@example.com&wait=30')
    await send('kari@example.com', 'not his')
    await send('Ola@example.com', 'his')
    expect(await (await waiting).json()).toMatchObject({ id: before + 2, subject: 'his' })
    expect(await (await next('to=ola@example.com&wait=30')).json()).toMatchObject({ id: before + 2 })
    expect((await next(`to=ola@example.com&after=${before + 2}&wait=0`)).status).toBe(204)
  })
})

describe('refusals', () => {
  test('an address is refused once, and its domain until the rule is removed', async () => {
    expect((await refuse({ to: 'kari@example.com', code: 450, times: 1 })).status).toBe(201)
    const domain = (await (await refuse({ to: 'example.com', code: 552, text: '5.2.2 Mailbox full' })).json()) as {
      id: number
    }
    const attempt = () =>
      send('kari@example.com', 'x').then(
        () => 'accepted',
        (error) => error.response,
      )
    expect(await attempt()).toBe('450 4.2.0 The mailbox is busy; try again later')
    expect(await attempt()).toBe('552 5.2.2 Mailbox full')
    expect(await (await fetch(`${inbox.url}/api/refusals`)).json()).toMatchObject([{ refused: 1 }, { refused: 1 }])
    await fetch(`${inbox.url}/api/refusals/${domain.id}`, { method: 'DELETE' })
    expect(await attempt()).toBe('accepted')
  })

  test('rules hold after a restart, and one that makes no sense is explained', async () => {
    await refuse({ to: '*', code: 450, times: 2 })
    await inbox.stop()
    inbox = await startInbox(dataDir)
    await expect(send('anybody@example.net', 'x')).rejects.toMatchObject({ responseCode: 450 })
    const nonsense = await refuse({ to: 'kari@example.com', code: 250 })
    expect(nonsense.status).toBe(422)
    expect(await nonsense.json()).toMatchObject({
      type: 'urn:pressebud:refusal:body-not-valid',
      detail: expect.stringContaining('400 to 599'),
    })
    expect((await refuse({ to: 'kari@example.com', text: 'one\r\n250 two' })).status).toBe(422)
  })
})

describe('the door', () => {
  test('it offers what a mail host offers, and answers pipelined commands', async () => {
    const socket = connect(inbox.smtpPort, '127.0.0.1').setEncoding('utf8')
    let said = ''
    socket.on('data', (text: string) => {
      said += text
    })
    const heard = async (end: RegExp) => {
      while (!end.test(said)) await once(socket, 'data')
    }
    await heard(/^220 /)
    socket.write('EHLO test.example\r\n')
    await heard(/^250 .*\r\n$/m)
    expect(
      [...said.matchAll(/^250[ -](\S+)/gm)]
        .map(([, word]) => word)
        .slice(1)
        .sort(),
    ).toEqual(['8BITMIME', 'PIPELINING', 'SIZE', 'SMTPUTF8'])
    said = ''
    const mail = 'MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n'
    socket.write(mail)
    await heard(/^354 /m)
    // The end of one letter and the beginning of the next in one write (RFC 2920 3.1).
    socket.write(`Subject: one\r\n\r\n1\r\n.\r\n${mail}`)
    await heard(/354 .*250 .*354 /s)
    socket.write('Subject: two\r\n\r\n2\r\n.\r\nQUIT\r\n')
    await heard(/^221 /m)
    socket.destroy()
    expect((await list()).map(({ subject }) => subject)).toEqual(['one', 'two'])
  })

  test('a port that is taken is passed over, and the one it got is told', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const address = taken.address() as { port: number }
    const other = await startInbox(join(dataDir, 'other'), {
      INBOX_PORT: String(address.port),
      INBOX_SMTP_PORT: String(inbox.smtpPort),
    })
    expect(other.port).toBeGreaterThan(address.port)
    expect(other.smtpPort).toBeGreaterThan(inbox.smtpPort)
    expect(await other.stop()).toBe(0)
    taken.close()
  })

  test('a second inbox on the same folder is refused in one line', async () => {
    await expect(startInbox(dataDir)).rejects.toThrow(/^Pressebud is already running here: process \d+ holds .*$/)
  })

  test('it ends when its launcher lets go of it, also while somebody waits for a letter', async () => {
    const waiting = fetch(`${inbox.url}/api/letters/next?to=kari@example.com&wait=100`).catch(() => null)
    await list()
    inbox.sender.close()
    inbox.child.disconnect()
    const [code] = await once(inbox.child, 'exit')
    expect(code).toBe(0)
    await waiting
  })
})

describe('the guard', () => {
  test('a foreign page cannot delete letters or make rules, and a foreign name cannot read them', async () => {
    await send('kari@example.com', 'private')
    const host = `127.0.0.1:${inbox.port}`
    const own = { host, origin: `http://${host}` }
    expect(await ask('DELETE', '/api/letters', { host, origin: 'https://evil.example' })).toBe(403)
    expect(await ask('POST', '/letters/delete-all', { host, origin: 'null' })).toBe(403)
    expect(await ask('POST', '/letters/delete-all', { host, origin: `http://127.0.0.1:${inbox.smtpPort}` })).toBe(403)
    expect(await ask('POST', '/letters/delete-all', { host, 'sec-fetch-site': 'cross-site' })).toBe(403)
    expect(await ask('GET', '/api/letters', { host: `rebound.example:${inbox.port}` })).toBe(403)
    expect(await ask('GET', '/', { host: 'localhost.evil.example' })).toBe(403)
    expect(await list()).toHaveLength(1)
    expect(await ask('GET', '/', { host: `localhost:${inbox.port}` })).toBe(200)
    expect(await ask('GET', '/', { host: `[::1]:${inbox.port}` })).toBe(200)
    expect(await ask('POST', '/letters/delete-all', own)).toBe(303)
    expect(await list()).toEqual([])
  })

  test('a letter that is not there, and words that are no number, are told plainly', async () => {
    for (const path of ['/letters/99', '/letters/99/body', '/api/letters/99', '/nowhere']) {
      expect((await fetch(inbox.url + path)).status).toBe(404)
    }
    expect((await fetch(`${inbox.url}/letters/abc`)).status).toBe(400)
    expect((await fetch(`${inbox.url}/letters/1/..%2fmain.js`)).status).toBe(400)
  })
})
