import { readdirSync, readFileSync } from 'node:fs'

/** CPU seconds and greatest resident size of a process, as Linux counts them. */
export type Usage = { readonly cpuSeconds: number; readonly peakMb: number }

/** The kernel counts in ticks of a hundredth of a second on every Linux there is (USER_HZ). */
const ticksPerSecond = 100

export function usageOf(pid: number): Usage {
  const times = statOf(pid)
  if (times === null) return { cpuSeconds: 0, peakMb: 0 }
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const peakKb = Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0)
  return { cpuSeconds: (times.user + times.system) / ticksPerSecond, peakMb: peakKb / 1024 }
}

/** CPU seconds of a process, all its living children and those it has waited for. */
export function treeCpuSeconds(pid: number): number {
  const own = statOf(pid)
  if (own === null) return 0
  const children = childrenOf(pid).reduce((sum, child) => sum + treeCpuSeconds(child), 0)
  return (own.user + own.system + own.waitedFor) / ticksPerSecond + children
}

/** The process that started this one. */
export const parentOf = (pid: number): number => statOf(pid)?.parent ?? 0

/** All living processes that descend from this one. */
export const descendantsOf = (pid: number): number[] =>
  childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)])

function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((other) => statOf(other)?.parent === pid)
}

function statOf(pid: number): { parent: number; user: number; system: number; waitedFor: number } | null {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return null
  }
  // The second field is the name in brackets and may hold anything; what follows its last bracket is numbers.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const at = (field: number) => Number(fields[field - 3])
  return { parent: at(4), user: at(14), system: at(15), waitedFor: at(16) + at(17) }
}
