import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Pressebud's own folder, the same whether this runs from its sources or as compiled into dist/. */
export const projectFolder: string = nearestWithPackage(import.meta.dirname)

function nearestWithPackage(folder: string): string {
  const above = dirname(folder)
  return existsSync(join(folder, 'package.json')) || above === folder ? folder : nearestWithPackage(above)
}
