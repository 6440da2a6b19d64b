import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** `began` tells two processes with the same number apart; `command` is what the process was started with. */
export type RunningProcess = { readonly began: string; readonly command: string }

/**
 * The process that has this number now, or null. Numbers are used again, so one that was written down yesterday says
 * nothing before `began` or `command` has been compared.
 */
export function findRunningProcess(pid: number): RunningProcess | null {
  if (!Number.isSafeInteger(pid) || pid <= 0) return null
  if (process.platform === 'linux') return readProc(pid)
  if (process.platform === 'win32') return answersSignalZero(pid) ? { began: 'unknown', command: '' } : null
  return askPs(pid)
}

function readProc(pid: number): RunningProcess | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the program's name in brackets and may hold anything, brackets too: count from the last one.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z') return null
    // Field 22 of proc(5): ticks since boot, which mean nothing without the boot they count from.
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
    return { began: `${boot}:${fields[19]}`, command }
  } catch {
    return null
  }
}

function askPs(pid: number): RunningProcess | null {
  const asked = spawnSync('ps', ['-o', 'lstart=', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' })
  if (asked.status !== 0) return null
  // `lstart` is always "Mon Nov 23 12:30:04 2026": 24 characters.
  return { began: asked.stdout.slice(0, 24), command: asked.stdout.slice(24).trim() }
}

function answersSignalZero(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
