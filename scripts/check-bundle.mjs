// `npm run check:bundle [-- --archive FILE]`: unpacks the bundle where no node is on the PATH and no network is used,
// runs ./install.sh, ./coppice doctor and the GPU's measurement on the CPU, tiny, there. Needs a torch, as ./install.sh
// does.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { bundle } from './bundle.mjs'
import { capture, Failure, libtorchModule, main, root, run, say } from './common.mjs'

await main(async () => {
  const { values } = parseArgs({ options: { archive: { type: 'string' } } })
  const folder = mkdtempSync(join(tmpdir(), 'coppice-check-bundle-'))
  try {
    const archive = resolve(values.archive ?? (await bundle({ output: join(folder, 'coppice.tar.gz') })))
    await run('tar', ['-xf', archive, '-C', folder], { what: 'tar' })
    const path = pathWithoutNode(join(folder, 'bin'))
    const { locateLibtorch } = await libtorchModule()
    const { found } = locateLibtorch({ root, purpose: 'build' })
    if (found === undefined) throw new Failure("No libtorch to build against: run 'npm run setup' first.")
    const bare = ['-i', `PATH=${path}`, `HOME=${folder}`, `COPPICE_LIBTORCH=${found.path}`]

    const away = await capture('env', [...bare, 'sh', '-c', 'command -v node npm npx'])
    if (away.stdout !== '') throw new Failure(`node is still on the PATH: ${away.stdout}`)
    const cwd = join(folder, 'coppice')
    await run('env', [...bare, './install.sh'], { cwd, what: './install.sh' })
    const { ok, stdout, stderr } = await capture('env', [...bare, './coppice', 'doctor', '--json'], { cwd })
    if (!ok) throw new Failure(`./coppice doctor failed:\n${stdout}${stderr}`)
    const { addon } = JSON.parse(stdout)
    for (const { device, name } of addon.devices) say(`${device}: ${name}`)
    const tiny = ['./node', 'bench/gpu/run.mjs', '--device', 'cpu', '--tiny', '--threads', '2']
    await run('env', [...bare, ...tiny], { cwd, what: 'bench/gpu/run.mjs' })
    say(`The bundle works: ${addon.file.slice(folder.length + 1)} on libtorch ${addon.torch}.`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

/** The PATH with each folder that holds node replaced by links to all else in it. */
function pathWithoutNode(links) {
  const hidden = ['node', 'npm', 'npx', 'corepack', 'nodejs']
  const folders = (process.env.PATH ?? '').split(delimiter).filter((path) => path !== '' && existsSync(path))
  return folders
    .map((path, index) => {
      const names = readdirSync(path)
      if (!names.some((name) => hidden.includes(name))) return path
      const copy = join(links, String(index))
      mkdirSync(copy, { recursive: true })
      for (const name of names) if (!hidden.includes(name)) symlinkSync(join(path, name), join(copy, name))
      return copy
    })
    .join(delimiter)
}
