import { execFile } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { checkout, HANDLER, type Node, type Pod, startNode } from '../bed/index.js'
import { hostIDs, SLEEP } from '../pods/on-containerd.js'

const execute = promisify(execFile)
const say = (line: string) => console.log(line)
const step = (line: string) => console.log(`==> ${line}`)

const PODS = ['web', 'database', 'queue']

async function main(): Promise<void> {
  step('starting a containerd 2.1 of its own, with runc 1.3, and the daemon')
  const node = await startNode({ version: '2.1', progress: (line) => step(line) })
  try {
    say(await nriUserns(node, 'status'))
    const secret = join(node.containerd.directory, 'host-file')
    await writeFile(secret, "the host's own\n", { mode: 0o600 })

    step(`running ${PODS.length} pods of two containers each`)
    const pods = await Promise.all(PODS.map((name) => runPod(node, name)))
    say(await nriUserns(node, 'list'))
    for (const { pod, containers } of pods) await showPod(node, pod, containers, secret)

    step('removing the pods')
    for (const { pod } of pods) await node.containerd.cri.removePod(pod.id)
    say(await nriUserns(node, 'status'))
    const { used, free, total } = (await node.status()).ranges
    if (used !== 0 || free !== total) throw new Error(`${used} ranges are still in use`)
    say(`\nThe ranges are free again: ${free} of ${total}.`)
    await rm(secret)
  } finally {
    await node.stop()
  }
}

async function runPod(node: Node, name: string) {
  const { cri } = node.containerd
  const pod = await cri.runPod({ name, handler: HANDLER })
  const main = await cri.runContainer(pod, { name: 'main', command: SLEEP })
  const sidecar = await cri.runContainer(pod, { name: 'sidecar', command: SLEEP, runAsUser: 1000 })
  return { pod, containers: { main, sidecar } }
}

async function showPod(
  node: Node,
  pod: Pod,
  containers: Record<string, string>,
  secret: string,
): Promise<void> {
  const { cri } = node.containerd
  const row = (await node.list()).find(({ uid }) => uid === pod.uid)!
  say(`\npod ${row.namespace}/${row.pod} has the ids ${row.firstID}-${row.lastID}`)
  for (const [name, id] of Object.entries(containers)) {
    const inside = (await cri.exec(id, ['id', '-u'])).stdout.trim()
    const pid = await cri.containerPid(id)
    const [uid] = await hostIDs(pid)
    const isWithin = uid! >= row.firstID && uid! <= row.lastID
    if (!isWithin)
      throw new Error(`process ${pid} of pod ${row.pod} is uid ${uid}, outside of the pod's range`)
    say(`  ${name.padEnd(8)} uid ${inside} inside, process ${pid} is uid ${uid} on the host`)
  }
  await proveHarmless(await cri.containerPid(containers.main!), secret)
}

/** What if it broke out? A process with the identity of the pod's root, but the host's whole file system before it. */
async function proveHarmless(pid: number, secret: string): Promise<void> {
  const asItsRoot = ['--target', `${pid}`, '--user', '--setuid', '0', '--setgid', '0', '--']
  for (const attempt of [`cat ${secret}`, `sh -c "echo mine > ${secret}"`, 'touch /etc/of-the-pod']) {
    const command = attempt.startsWith('sh') ? ['sh', '-c', `echo mine > ${secret}`] : attempt.split(' ')
    const failure = await execute('nsenter', [...asItsRoot, ...command]).then(
      () => undefined,
      ({ stderr }: { stderr: string }) => stderr.trim().split('\n').at(-1),
    )
    if (!failure?.includes('Permission denied'))
      throw new Error(`the pod's root could: ${attempt} (${failure})`)
    say(`  broken out, its root tries: ${attempt}\n    ${failure}`)
  }
}

const nriUserns = async (node: Node, command: string): Promise<string> => {
  const program = join(checkout(), 'dist/cli/index.js')
  return (await execute(process.execPath, [program, command, '--config', node.configPath])).stdout.trimEnd()
}

try {
  await main()
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
