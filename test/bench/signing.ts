import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeDkimKey } from '../../shared/dkim/dkim-key.ts'
import { needProgram } from '../rig/programs.ts'

/** A key for the bench's newsroom, and the settings that make workers sign with it. */
export function makeSigner(): { settings: Record<string, string>; forget: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'pressebud-bench-'))
  const file = join(folder, 'rsa.pem')
  writeFileSync(file, makeDkimKey('rsa-sha256').export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 })
  return {
    settings: { DKIM_DOMAIN: 'havneby.example', DKIM_SELECTOR: 'bench', DKIM_RSA_KEY_FILE: file },
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
