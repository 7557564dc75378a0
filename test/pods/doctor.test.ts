import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { checkout, mountsBelow, type Node } from '../bed/index.js'
import { onContainerd } from './on-containerd.js'

interface Answer {
  readonly code: number
  readonly states: Record<string, string>
}

/** What the doctor says of a node, by check. */
function examine({ containerd, configPath }: Node, wrapper = 'nri-userns-runtime'): Promise<Answer> {
  const program = join(checkout(), 'dist/cli/index.js')
  const args = ['doctor', '-o', 'json', '-c', configPath, '--wrapper', join(containerd.directory, wrapper)]
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], (error, stdout) => {
      const found = JSON.parse(stdout) as { check: string; state: string }[]
      const states = Object.fromEntries(found.map(({ check, state }) => [check, state]))
      resolve({ code: error ? Number(error.code) : 0, states })
    })
  })
}

onContainerd('the doctor', async (t, node) => {
  const well = await examine(node)
  t.strictSame(new Set(Object.values(well.states)), new Set(['ok']))
  t.equal(well.code, 0)

  const old = join(node.containerd.directory, 'old-runc')
  await writeFile(old, '#!/bin/sh\n[ "$1" = features ] && exec echo "{}"\necho runc version 1.1.5\n', {
    mode: 0o755,
  })
  await writeFile(join(node.containerd.directory, 'old.conf'), `runtime = ${old}\n`)
  t.match(await examine(node, 'old'), {
    code: 1,
    states: { 'OCI runtime': 'ok', volumes: 'fault', daemon: 'ok' },
  })

  await node.daemon.end('SIGTERM')
  await node.containerd.kill()
  t.match(await examine(node), { code: 1, states: { daemon: 'fault', NRI: 'warning', kernel: 'ok' } })
  await node.containerd.start()
  await node.startDaemon()
  t.strictSame(await mountsBelow(node.stateDirectory), [])
})
