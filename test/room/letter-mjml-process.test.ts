import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import mjml from 'mjml'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { openMjmlCompiler } from '../../shared/letter/mjml-compiler.ts'
import { havna } from '../given/havna.ts'
import { descendantsOf } from '../rig/process-usage.ts'
import { endProgram } from '../rig/programs.ts'
import { until } from '../rig/until.ts'

const root = join(import.meta.dirname, '../..')

const letter = (words: string) =>
  `<mjml lang="nb"><mj-head><mj-title>${words}</mj-title></mj-head><mj-body><mj-section><mj-column><mj-text>${words} ⟦0⟧</mj-text><mj-button href="⟦1⟧">Les</mj-button></mj-column></mj-section></mj-body></mjml>`

const inProcess = async (source: string) =>
  (await mjml(source, { ignoreIncludes: true, keepComments: false, fonts: {}, validationLevel: 'strict' })).html

const parents: ChildProcess[] = []

afterEach(async () => {
  vi.useRealTimers()
  for (const parent of parents.splice(0)) await endProgram(parent, 'SIGKILL')
})

test('a letter compiled in a process of its own is the same, byte for byte, and so is each of many at once', async () => {
  const compiler = openMjmlCompiler()
  const sources = ['Havna åpner', 'Čáhci & vatn', 'Ærlig “talt”', 'Havna åpner'].map(letter)
  const compiled = await Promise.all(sources.map((source) => compiler.compile(source)))
  expect(compiled).toEqual(await Promise.all(sources.map(inProcess)))
})

test('what MJML finds wrong is told in its own words, and the letters beside are made', async () => {
  const compiler = openMjmlCompiler()
  const wrong = '<mjml><mj-body><mj-button colour="red">Les</mj-button></mj-body></mjml>'
  const words = await inProcess(wrong).then(
    () => '',
    (error: Error) => error.message,
  )
  expect(words).toContain('colour')
  const [refused, made] = await Promise.allSettled([compiler.compile(wrong), compiler.compile(letter('Hei'))])
  // It names the folder it works in.
  const told = words.replaceAll(process.cwd(), join(root, 'shared/letter'))
  expect(refused).toMatchObject({ status: 'rejected', reason: { message: told } })
  expect(made.status).toBe('fulfilled')
})

// How processes stand to each other is read from /proc.
describe.skipIf(!existsSync('/proc/self/stat'))('the process', () => {
  test('that is killed fails the letter in its hands with a clear sentence; the next one gets a new process', async () => {
    const { compiler, pid } = await started()
    process.kill(pid, 'SIGSTOP')
    const inHand = compiler.compile(letter('In its hands'))
    const waiting = compiler.compile(letter('Waiting'))
    const told = expect(inHand).rejects.toThrow('The process that compiles letters ended before it answered (SIGKILL)')
    // The source is on its way before the process is killed.
    await new Promise(setImmediate)
    process.kill(pid, 'SIGKILL')
    await told
    expect(await waiting).toBe(await inProcess(letter('Waiting')))
  })

  test('that was killed while it had nothing to do is not noticed', async () => {
    const { compiler, pid } = await started()
    process.kill(pid, 'SIGKILL')
    await until('its end has been told', () => !existsSync(`/proc/${pid}`))
    expect(await compiler.compile(letter('Hei'))).toBe(await inProcess(letter('Hei')))
  })

  test('that never answers is given up after half a minute and ended; the next letter gets a new one', async () => {
    const { compiler, pid } = await started()
    process.kill(pid, 'SIGSTOP')
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const told = expect(compiler.compile(letter('Never'))).rejects.toThrow(
      'The process that compiles letters did not answer within 30 s, and was ended',
    )
    await vi.advanceTimersByTimeAsync(29_000)
    expect(isThere(pid)).toBe(true)
    await vi.advanceTimersByTimeAsync(1_000)
    await told
    vi.useRealTimers()
    await untilGone(pid)
    expect(await compiler.compile(letter('Hei'))).toBe(await inProcess(letter('Hei')))
  })

  test('is kept while letters come, ends after a rest, and is started again by the next letter', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { compiler, pid } = await started()
    await vi.advanceTimersByTimeAsync(40_000)
    await compiler.compile(letter('Soon after'))
    await vi.advanceTimersByTimeAsync(40_000)
    expect(isThere(pid)).toBe(true)
    await vi.advanceTimersByTimeAsync(5_000)
    vi.useRealTimers()
    await untilGone(pid)
    expect(await compiler.compile(letter('Hei'))).toBe(await inProcess(letter('Hei')))
  })

  test('does not end on a signal to the whole group: its parent may still need it to end in order', async () => {
    const { compiler, pid } = await started()
    process.kill(pid, 'SIGTERM')
    process.kill(pid, 'SIGINT')
    expect(await compiler.compile(letter('Hei'))).toBe(await inProcess(letter('Hei')))
    expect(isThere(pid)).toBe(true)
  })

  test('knows no settings and has none of our files and connections open', async () => {
    const parent = startParent('await compile(); say(); setInterval(() => {}, 1_000)')
    const pid = await parent.compiler
    const names = readFileSync(`/proc/${pid}/environ`, 'utf8')
      .split('\0')
      .filter(Boolean)
      .map((line) => line.split('=')[0]!)
    expect(names.filter((name) => !name.startsWith('NODE_CHANNEL_'))).toEqual([])
    const open = filesOf(pid)
    expect(open.slice(0, 2)).toEqual(['/dev/null', '/dev/null'])
    const ofParent = filesOf(parent.child.pid!)
    expect(ofParent).toContain(join(root, 'package.json'))
    expect(open[2]).toBe(ofParent[2])
    // Beside its channel it has what Node opens for itself: descriptors of events, pipes and /dev/null.
    const others = open.slice(3).filter((file) => !/^(anon_inode|pipe):|^\/dev\/null$/.test(file))
    expect(others).toEqual([expect.stringMatching(/^socket:/)])
    // Whoever starts a test may have left descriptors open to all its descendants; what the parent opened is the question.
    const opened = ofParent
      .slice(3)
      .filter((file) => /^(socket|pipe):/.test(file) && !filesOf(process.pid).includes(file))
    expect(opened.length).toBeGreaterThan(2)
    expect(open.filter((file) => opened.includes(file))).toEqual([])
  })

  test.each(['SIGKILL', 'SIGTERM'] as const)(
    'ends when its parent is ended by %s, also in the middle',
    async (signal) => {
      const parent = startParent('await compile(); say(); for (;;) await compile()')
      const pid = await parent.compiler
      expect(isThere(pid)).toBe(true)
      await endProgram(parent.child, signal)
      await untilGone(pid)
    },
  )

  test('keeps its parent alive while a letter is in its hands, and no longer', async () => {
    const parent = startParent('await compile(); await compile(); say()')
    const pid = await parent.compiler
    expect(await parent.ended).toBe(0)
    await untilGone(pid)
  })

  test('is needed once for letters that are built alike, whatever stands in them', async () => {
    const common = { kind: 'confirmation', publicUrl: 'https://press.example', mailDomain: 'press.example' }
    const first = { ...common, newsroom: havna, language: 'nb' }
    const names = { name: 'Sørvika', senderName: 'Sørvika', legalName: 'Sørvika' }
    const other = { ...havna, ...names, postalAddress: 'Torget 3, 9991 Sørvika' }
    const parent = startParent(`
      await prepareNotice(${JSON.stringify(first)})
      const pid = Number(children())
      // One that is stopped answers no more.
      process.kill(pid, 'SIGSTOP')
      const { segments } = await prepareNotice(${JSON.stringify({ ...common, newsroom: other, language: 'en' })})
      say()
      console.log(JSON.stringify(segments.map((segment) => segment.toString())))
      process.kill(pid, 'SIGKILL')`)
    expect(await parent.ended).toBe(0)
    const [, told] = parent.lines
    expect(told).toContain('Torget 3, 9991 S=C3=B8rvika')
    expect(told).not.toMatch(/Havna|Kaien/)
  })
})

/** A compiler that has made a letter, and the number of its process. */
async function started() {
  const before = descendantsOf(process.pid)
  const compiler = openMjmlCompiler()
  await compiler.compile(letter('The first'))
  const pids = descendantsOf(process.pid).filter((pid) => !before.includes(pid))
  expect(pids.length).toBe(1)
  return { compiler, pid: pids[0]! }
}

type Parent = {
  readonly child: ChildProcess
  readonly lines: readonly string[]
  readonly compiler: Promise<number>
  readonly ended: Promise<number | null>
}

/** A process as `npm run build` makes it, with secrets in its environment, that does this and says who compiles for it. */
function startParent(does: string): Parent {
  const script = `
    import { openSync, readFileSync } from 'node:fs'
    import { createServer } from 'node:net'
    import { openMjmlCompiler } from './dist/shared/letter/mjml-compiler.js'
    import { prepareNotice } from './dist/shared/letter/prepare-notice.js'
    openSync('package.json')
    createServer().listen(0, '127.0.0.1').unref()
    const compiler = openMjmlCompiler()
    const compile = () => compiler.compile(${JSON.stringify(letter('Hei'))})
    const children = () => readFileSync('/proc/self/task/' + process.pid + '/children', 'utf8')
    const say = () => console.log(children())
    ${does}`
  const child = spawn(process.execPath, ['--enable-source-maps', '--input-type=module', '-e', script], {
    cwd: root,
    env: { ...process.env, SECRET_KEY: 'secret', DATABASE_URL: 'postgres://secret', NODE_OPTIONS: '' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  parents.push(child)
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  const said = createInterface({ input: child.stdout! })
  const lines: string[] = []
  said.on('line', (line) => lines.push(line))
  const compiler = new Promise<number>((resolve) => said.once('line', (line) => resolve(Number(line))))
  return { child, lines, compiler, ended }
}

const filesOf = (pid: number) =>
  readdirSync(`/proc/${pid}/fd`)
    .map(Number)
    .toSorted((a, b) => a - b)
    .map((fd) => join(`/proc/${pid}/fd`, String(fd)))
    // The one that read the folder is closed again.
    .filter((path) => lstatSync(path, { throwIfNoEntry: false }))
    .map((path) => readlinkSync(path))

/** Whether it runs; one that has ended and is not yet waited for does not. */
function isThere(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

const untilGone = (pid: number) => until('it is gone', () => !isThere(pid))
