import { spawn } from 'node:child_process'
import { existsSync, openSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { openOutput } from '../../shared/log/output.ts'
import { entry } from '../rig/entries.ts'

/** A disk that may be full: `room` bytes are left on it. */
function disk() {
  const state = { room: Number.POSITIVE_INFINITY, busyFor: 0, text: '' }
  const write = (bytes: Buffer): number => {
    if (state.busyFor > 0) {
      state.busyFor -= 1
      throw Object.assign(new Error('busy'), { code: 'EAGAIN' })
    }
    if (state.room === 0) throw Object.assign(new Error('full'), { code: 'ENOSPC' })
    const taken = Math.min(bytes.length, state.room)
    state.room -= taken
    state.text += bytes.subarray(0, taken).toString()
    return taken
  }
  return { state, output: openOutput((lost) => `lost ${lost}\n`, write) }
}

const clock = performance.now.bind(performance)
let later = 0
beforeEach(() => {
  later = 0
  vi.spyOn(performance, 'now').mockImplementation(() => clock() + later)
})
afterEach(() => {
  vi.restoreAllMocks()
})
const rest = () => {
  later += 1_000
}

describe('the log', () => {
  test('loses lines on a full disk, and tells how many in the first that fits again, on a line of its own', () => {
    const { state, output } = disk()
    output.write('one\n')
    state.room = 2
    for (const line of ['two\n', 'three\n', 'four\n']) output.write(line)
    expect(state.text).toBe('one\ntw')
    state.room = Number.POSITIVE_INFINITY
    rest()
    output.write('five\n')
    output.write('six\n')
    expect(state.text).toBe('one\ntw\nlost 3\nfive\nsix\n')
  })

  test('waits a moment for a reader that is behind, and not for one that reads no more', () => {
    const { state, output } = disk()
    state.busyFor = 2
    output.write('one\n')
    expect(state.text).toBe('one\n')
    state.busyFor = Number.POSITIVE_INFINITY
    output.write('two\n')
    output.write('three\n')
    state.busyFor = 0
    rest()
    output.write('four\n')
    expect(state.text).toBe('one\nlost 2\nfour\n')
  })

  test.skipIf(!existsSync('/dev/full'))('on a full disk, or cut off from its reader, ends no process', async () => {
    const program = `
      import { openLog } from ${JSON.stringify(pathToFileURL(entry('shared/log/log.js')).href)}
      const log = openLog('test', 'info')
      for (const n of [1, 2, 3]) log.info({ n }, 'a line')
      setTimeout(() => { log.info('another'); process.exitCode = 7 }, 20)`
    const start = (stdout: 'pipe' | number) =>
      spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', stdout, 'pipe'] })
    const full = start(openSync('/dev/full', 'w'))
    const cutOff = start('pipe')
    cutOff.stdout!.destroy()
    const ends = [full, cutOff].map(async (child) => {
      let complaint = ''
      child.stderr!.on('data', (text: Buffer) => {
        complaint += text.toString()
      })
      const code = await new Promise((resolve) => child.once('close', resolve))
      return [code, complaint]
    })
    expect(await Promise.all(ends)).toEqual([
      [7, ''],
      [7, ''],
    ])
  })
})
