import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeDkimKey } from '../../shared/dkim/dkim-key.ts'
import { needProgram } from '../rig/programs.ts'
import type { LoopDelay } from './loop-delay.ts'

export type Signer = {
  /** What makes workers sign. */
  readonly settings: Record<string, string>
  /** What makes workers process `n` watch its event loop: only here, because looking a thousand times a second costs. */
  watched(n: number): Record<string, string>
  /** The worst of what the workers processes that have ended saw. */
  loopDelays(): LoopDelay
  forget(): void
}

/** A key for the bench's newsroom. */
export function makeSigner(): Signer {
  const folder = mkdtempSync(join(tmpdir(), 'pressebud-bench-'))
  const file = join(folder, 'rsa.pem')
  writeFileSync(file, makeDkimKey('rsa-sha256').export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 })
  const told: string[] = []
  return {
    settings: { DKIM_DOMAIN: 'havneby.example', DKIM_SELECTOR: 'bench', DKIM_RSA_KEY_FILE: file },
    watched: (n) => {
      told.push(join(folder, `loop-delay-${n}`))
      return {
        NODE_OPTIONS: `--import=${join(import.meta.dirname, 'loop-delay.js')}`,
        LOOP_DELAY_FILE: told.at(-1)!,
      }
    },
    loopDelays: () => {
      const delays = told.map((name) => JSON.parse(readFileSync(name, 'utf8')) as LoopDelay)
      return {
        longestMs: Math.max(...delays.map(({ longestMs }) => longestMs)),
        busiestMs: Math.max(...delays.map(({ busiestMs }) => busiestMs)),
      }
    },
    forget: () => rmSync(folder, { recursive: true }),
  }
}

/** RSA-2048 signatures a second that OpenSSL makes on all cores when it does nothing else. */
export function rateOfSigning(): number {
  const openssl = needProgram('openssl', 'openssl')
  // Without -elapsed it counts its own time on the processor, and not the time that passes.
  const args = ['speed', '-elapsed', '-seconds', '3', '-multi', String(availableParallelism()), 'rsa2048']
  const { stdout } = spawnSync(openssl, args)
  const rate = Number(/rsa 2048 bits\s+\S+\s+\S+\s+([\d.]+)/.exec(stdout.toString())?.[1])
  if (!(rate > 0)) throw new Error(`openssl speed said nothing of use: ${stdout}`)
  return rate
}
