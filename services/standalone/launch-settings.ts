import { readSettings, type Settings } from '../../shared/config/read-settings.ts'
import { type SettingName, settingTable } from '../../shared/config/settings.ts'
import { readDkim } from '../../shared/dkim/read-dkim.ts'
import { certificateFaults } from '../../shared/transport/smtp-url.ts'

export type LaunchSettings = {
  /** What somebody set, by name; empty is not set, here as in the processes. */
  readonly given: Partial<Record<SettingName, string>>
  /** All of them as the processes will read them; in place of what `made` names and nobody set, it is to be made. */
  readonly settings: Settings<SettingName>
}

/** Stand for what `npm start` makes where nobody set it, so that everything can be read before anything is made. */
const made = {
  DATABASE_URL: 'postgres://127.0.0.1/made',
  SMTP_URL: 'smtp://127.0.0.1',
  PUBLIC_URL: 'http://127.0.0.1',
  SECRET_KEY: '-'.repeat(32),
  OPS_PASSWORD: '-'.repeat(12),
} satisfies Partial<Record<SettingName, string>>

/**
 * Reads the settings of every process before the first is started, or throws one `SettingsFault`: what only the last of
 * them would refuse must not have made a database by then.
 */
export function readLaunchSettings(
  env: Readonly<Record<string, string | undefined>>,
  readFile: (path: string) => string,
): LaunchSettings {
  const names = Object.keys(settingTable) as SettingName[]
  const given = Object.fromEntries(
    names.flatMap((name) => {
      const text = env[name]?.trim()
      return text ? [[name, text]] : []
    }),
  ) as Partial<Record<SettingName, string>>
  const settings = readSettings({ ...made, ...given }, names, (found) => [
    ...readDkim(found, readFile).faults,
    ...certificateFaults(found.SMTP_URL, readFile),
  ])
  return { given, settings }
}
