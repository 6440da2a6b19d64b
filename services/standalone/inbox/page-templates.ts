import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Eta } from 'eta'

const templates = new Eta({ views: import.meta.dirname, cache: true })

export const renderPage = (name: 'letter-list' | 'letter' | 'refusals' | 'trouble', page: object): string =>
  templates.render(`./${name}`, page)

/** Files the pages ask for, read once: there are three, and they do not change while we run. */
export const pageFiles = (
  [
    ['/inbox.css', 'inbox.css', 'text/css; charset=utf-8'],
    ['/live-list.js', 'live-list.js', 'text/javascript; charset=utf-8'],
    ['/icon.svg', 'icon.svg', 'image/svg+xml'],
  ] as const
).map(([path, name, type]) => ({ path, type, content: readFileSync(join(import.meta.dirname, name)) }))
