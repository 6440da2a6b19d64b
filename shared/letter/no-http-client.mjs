// What MJML reads HTML with brings an HTTP client along, to read it from the web: a fourth of all there is to load, and
// nothing that a letter ever needs. An empty one is put in its place, for the process that compiles letters alone.
import { createRequire, Module } from 'node:module'

const { cache, resolve } = createRequire(import.meta.url)
try {
  const client = resolve('undici')
  cache[client] = Object.assign(new Module(client), { loaded: true })
} catch {
  // Not where it was looked for: MJML finds its own.
}
