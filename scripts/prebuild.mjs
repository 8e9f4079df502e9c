// `npm run prebuild [-- --libtorch FOLDER]`: an addon for other machines, by prebuildify, in
// prebuilds/linux-x64/torch-<major.minor>[-cuda]/, where the loader looks for one that fits the libtorch it finds.
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { libtorchModule, main, root, run, say } from './common.mjs'
import { installDependencies } from './setup.mjs'

await main(async () => {
  const { values } = parseArgs({ options: { libtorch: { type: 'string' } } })
  await installDependencies()
  // prebuildify takes what it finds in ./build: a folder of its own keeps the working build out of it.
  const stage = join(root, 'prebuilds', '.stage')
  rmSync(stage, { recursive: true, force: true })
  mkdirSync(stage, { recursive: true })
  writeFileSync(join(stage, 'package.json'), '{ "name": "coppice" }\n')
  const prebuildify = ['node_modules/prebuildify/bin.js', '--napi', '--tag-libc', '--strip']
  const gyp = ['--node-gyp', join(root, 'scripts/prebuild-gyp.mjs'), '--target', process.versions.node]
  const env = values.libtorch === undefined ? {} : { COPPICE_PREBUILD_LIBTORCH: values.libtorch }
  await run(process.execPath, [...prebuildify, ...gyp, '--cwd', stage], { env, what: 'prebuildify' })

  const built = join(stage, 'build', 'Release')
  const { torch, cuda } = JSON.parse(readFileSync(join(built, 'coppice.json'), 'utf8'))
  const { majorMinor } = await libtorchModule()
  const target = join(root, 'prebuilds/linux-x64', `torch-${majorMinor(torch)}${cuda ? '-cuda' : ''}`)
  rmSync(target, { recursive: true, force: true })
  mkdirSync(join(target, 'loader'), { recursive: true })
  renameSync(join(stage, 'prebuilds/linux-x64/coppice.glibc.node'), join(target, 'coppice.node'))
  cpSync(join(built, 'coppice.json'), join(target, 'coppice.json'))
  await run('strip', [
    '-o',
    join(target, 'loader/coppice-loader.node'),
    join(built, 'loader/coppice-loader.node'),
  ])
  rmSync(stage, { recursive: true })
  say(`Written to ${relative(root, target)}.`)
})
