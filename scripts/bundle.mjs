// `npm run bundle [-- --xz] [-o FILE]`: one archive for a server that has a torch, CMake and a compiler (nvcc for
// CUDA), but neither Node nor a network: Node itself, compiled JavaScript, production dependencies, headers and native
// sources. gzip by default, since every server has tar and gzip; --xz is a third smaller where xz is there too.
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { capture, Failure, filesUnder, main, root, run, say, which } from './common.mjs'
import { compile, installDependencies } from './setup.mjs'

const readme = `# Coppice, to be used without npm and without a network

Needs Linux x64 with glibc 2.28 or newer, tar, a C++20 compiler, CMake 3.18 or newer with ninja or make, and a torch
2.9 to 2.13 with its C++ headers, as pip installs it. With a CUDA torch and an nvcc of the same CUDA version, the CUDA
kernels are built too.

    ./install.sh            builds the addon against the torch of python3 (or of COPPICE_LIBTORCH)
    ./coppice doctor        says what was found
    ./coppice --help
    ./node bench/gpu/run.mjs --data cifar-10-batches-bin
                            on a GPU: whether all works, and how fast; goes on where it was interrupted

\`./install.sh --libtorch FOLDER\` names a torch, \`--cuda\` insists on the CUDA kernels, \`--no-cuda\` leaves them out.
Scripts run with \`./node script.mjs\`, and \`require('coppice')\` works in the folder above this one if it is linked:
\`mkdir -p node_modules && ln -s ../coppice node_modules/coppice\`.
`

const installSh = `#!/bin/sh
# Builds Coppice's addon against the torch of this machine; all that is needed of Node is in this folder.
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd) || exit 1
if [ "$(uname -s) $(uname -m)" != 'Linux x86_64' ]; then
  echo "Coppice runs on Linux x64 with glibc; this is $(uname -s) $(uname -m)." >&2
  exit 1
fi
exec "$here/node" "$here/scripts/install.mjs" "$@"
`

const coppiceSh = `#!/bin/sh
self=$(readlink -f -- "$0") || exit 1
here=$(dirname -- "$self")
exec "$here/node" "$here/dist/lib/cli/main.js" "$@"
`

/** Writes the archive and resolves with its path. */
export async function bundle({ output, xz = false } = {}) {
  await installDependencies()
  await compile()
  const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const archive = resolve(output ?? join(root, `${name}-${version}-linux-x64.tar.${xz ? 'xz' : 'gz'}`))
  const stage = mkdtempSync(join(tmpdir(), 'coppice-bundle-'))
  const folder = join(stage, name)
  mkdirSync(folder)
  try {
    await copyNode(folder)
    const sources = [
      'dist',
      'native',
      'recipes',
      'web',
      'CMakeLists.txt',
      'LICENSE',
      'README.md',
      'package.json',
    ]
    for (const path of sources) if (existsSync(join(root, path))) copy(join(root, path), join(folder, path))
    for (const script of ['install', 'build-native', 'common', 'preconditions'])
      copy(join(root, 'scripts', `${script}.mjs`), join(folder, 'scripts', `${script}.mjs`))
    for (const file of filesUnder(['bench/gpu', 'bench/train'], ['.mjs', '.py']))
      copy(file, join(folder, relative(root, file)))
    for (const dependency of await productionDependencies())
      copy(dependency, join(folder, relative(root, dependency)))
    writeFileSync(join(folder, 'BUNDLE.md'), readme)
    writeScript(join(folder, 'install.sh'), installSh)
    writeScript(join(folder, 'coppice'), coppiceSh)
    await pack(stage, name, archive, xz)
  } finally {
    rmSync(stage, { recursive: true, force: true })
  }
  const megabytes = (statSync(archive).size / 1e6).toFixed(1)
  say(
    `Written ${relative(process.cwd(), archive)}, ${megabytes} MB. On the server: tar xf, cd ${name}, ./install.sh`,
  )
  return archive
}

/** The Node that runs this script, if it needs nothing but the C and C++ runtimes. */
async function copyNode(folder) {
  const node = realpathSync(process.execPath)
  const libraries = (await capture('ldd', [node])).stdout
    .split('\n')
    .map((line) => line.trim().split(/[ /]/)[0])
  const runtimes = /^(linux-vdso|libdl|libstdc\+\+|libm|libgcc_s|libpthread|libc|libatomic|librt)\.so|^$/
  const foreign = libraries.find((library) => !runtimes.test(library))
  if (foreign !== undefined)
    throw new Failure(
      `${node} needs ${foreign}, which a server may lack: bundle with the Node of nodejs.org.`,
    )
  cpSync(node, join(folder, 'node'))
  chmodSync(join(folder, 'node'), 0o755)
  const licences = ['../LICENSE', '../share/doc/nodejs/LICENSE', '../share/doc/node/LICENSE']
  const licence = licences.map((path) => resolve(dirname(node), path)).find((path) => existsSync(path))
  if (licence !== undefined) cpSync(licence, join(folder, 'LICENSE.node'))
}

async function productionDependencies() {
  const { ok, stdout, stderr } = await capture('npm', ['ls', '--omit=dev', '--all', '--parseable'])
  if (!ok) throw new Failure(`npm ls failed: ${stderr.trim()}`)
  return stdout.split('\n').filter((path) => path.startsWith(join(root, 'node_modules')))
}

/** Without what only compilers and debuggers of JavaScript read. */
function copy(from, to) {
  const wanted = (path) =>
    !/\.(map|[cm]?ts)$|\/\.compiled$/.test(path) && (path === from || !path.endsWith('/node_modules'))
  cpSync(from, to, { recursive: true, dereference: true, filter: wanted })
}

function writeScript(file, text) {
  writeFileSync(file, text)
  chmodSync(file, 0o755)
}

async function pack(stage, name, archive, xz) {
  const compressor = xz ? 'xz -9 -T0' : 'gzip -9'
  if (which(compressor.split(' ')[0]) === undefined)
    throw new Failure(`${compressor.split(' ')[0]} is not installed.`)
  const owner = ['--owner=0', '--group=0', '--numeric-owner', '--sort=name']
  await run('tar', [...owner, '-C', stage, '-I', compressor, '-cf', archive, name], { what: 'tar' })
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(resolve(process.argv[1])).href)
  await main(async () => {
    const { values } = parseArgs({
      options: { xz: { type: 'boolean' }, output: { type: 'string', short: 'o' } },
    })
    await bundle(values)
  })
