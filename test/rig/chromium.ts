import { existsSync } from 'node:fs'
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

// The same engine twice: the shell without windows takes a third less of the machine.
const programs = ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium']
export const chromiumPath = programs.find((path) => existsSync(path)) ?? ''
export const hasChromium = chromiumPath !== ''

/** A browser in which nobody else has been: nothing is shared between contexts. */
export type Chromium = {
  newContext(options?: BrowserContextOptions): Promise<BrowserContext>
  newPage(options?: BrowserContextOptions): Promise<Page>
  /** Closes every context that is still open. */
  close(): Promise<void>
}

/** The files that one worker runs after each other share a process, which ends with the worker. */
export async function openChromium(): Promise<Chromium> {
  running ??= launch()
  const browser = await running
  const open = new Set<BrowserContext>()
  const newContext = async (options?: BrowserContextOptions) => {
    const context = await browser.newContext(options)
    open.add(context.on('close', () => open.delete(context)))
    return context
  }
  return {
    newContext,
    newPage: async (options) => (await newContext(options)).newPage(),
    close: async () => {
      for (const context of open) await context.close()
    },
  }
}

let running: Promise<Browser> | null = null

async function launch(): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: chromiumPath,
    handleSIGTERM: false,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      // Without these it asks for its maker's hosts at every start.
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      // Scripts here end before a better compiled form of them is ready: making it took up to a quarter of its time.
      '--js-flags=--no-opt --no-maglev',
    ],
  })
  browser.on('disconnected', () => {
    running = null
  })
  // A worker is told to go when there is nothing left for it to do, and is left alone when the run is killed. What is
  // killed itself takes the browser with it, because the pipe between them breaks.
  process.once('SIGTERM', () => browser.close().finally(() => process.kill(process.pid, 'SIGTERM')))
  process.once('disconnect', () => browser.close())
  return browser
}
