/** The version of this package, and the folder it lies in. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The folder that holds package.json: above lib/ in the sources, above dist/ when compiled. */
export const packageFolder: string = (() => {
  let folder = __dirname
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder)
  return folder
})()

const readVersion = (): string => {
  const { version } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8')) as {
    version?: unknown
  }
  return typeof version === 'string' ? version : 'unknown'
}

export const version: string = readVersion()
