import { readFileSync } from 'node:fs'

/*
 * Loaded into a process before its own code: its clock on the wall is off by as many milliseconds as the file MOVED_CLOCK
 * says, looked up ten times a second. As with a real one nothing else moves: neither timers nor `performance`.
 */
const file = process.env.MOVED_CLOCK
let off = 0
const look = () => {
  off = Number(readFileSync(file!, 'utf8'))
}

if (file) {
  look()
  setInterval(look, 100).unref()
  const now = Date.now
  const movedNow = () => now() + off
  globalThis.Date = new Proxy(Date, {
    construct: (date, args, asked) => Reflect.construct(date, args.length === 0 ? [movedNow()] : args, asked),
    apply: (date) => new date(movedNow()).toString(),
    get: (date, key, asked) => (key === 'now' ? movedNow : Reflect.get(date, key, asked)),
  })
}
