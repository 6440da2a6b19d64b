import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

// The same engine twice: the shell without windows takes a third less of the machine.
const programs = ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium']
export const chromiumPath = programs.find((path) => existsSync(path)) ?? ''
export const hasChromium = chromiumPath !== ''

export const openChromium = (): Promise<Browser> =>
  chromium.launch({
    executablePath: chromiumPath,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      // Without these it asks for its maker's hosts at every start.
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
