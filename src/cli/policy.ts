import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { Command, InvalidArgumentError, Option } from 'commander'
import { loadPlacedConfig, type PlacedConfig } from '../config/load.js'
import { inSandbox } from '../policy/admission.js'
import type { Policy, Setting } from '../policy/rules.js'
import { follow, judge, type Verdict } from '../policy/verdict.js'
import { type Manifest, parseManifest } from './manifest.js'
import { configOption, outputOption, print, printJSON } from './options.js'
import { printTable } from './table.js'

export function policyCommand(): Command {
  return new Command('policy').summary("try the config's policy on a pod").addCommand(
    new Command('test')
      .summary('what would become of a pod, by its manifest, and which rule says so')
      .description(
        'Says for the sandbox and each container of a Pod manifest whether it would be mapped, left alone (skip) or ' +
          'refused, by what of the policy, and how many ids the pod would have. It supposes that the pod runs by the handler of nri-userns, and that the ' +
          'runtime tells its labels and annotations. Exit code 1 when any of it would be refused.',
      )
      .requiredOption('-f, --file <file>', 'the manifest, in YAML or JSON; - reads the standard input')
      .addOption(
        new Option('-u, --image-user <uid>', "whom containers start as where the manifest doesn't say")
          .argParser(parseUid)
          .default(0),
      )
      .addOption(configOption())
      .addOption(outputOption())
      .action(test),
  )
}

interface TestOptions {
  readonly file: string
  readonly imageUser: number
  readonly config?: string
  readonly output: 'table' | 'json'
}

async function test({ file, imageUser, config, output }: TestOptions): Promise<void> {
  const placed = await loadPlacedConfig(config)
  const manifest = parseManifest(await readManifest(file), file === '-' ? 'stdin' : file, imageUser)
  const { policy, ranges } = placed.config
  const results = verdictsOn(manifest, policy, ranges.idsPerPod).map((result) => ({
    ...result,
    place: placeOf(result.rule, placed),
  }))
  if (results.some(({ outcome }) => outcome === 'refuse')) process.exitCode = 1
  const { namespace, pod } = manifest
  const [sandbox, ...containers] = results
  if (output === 'json') {
    printJSON({ namespace, pod, sandbox, containers })
    return
  }
  print(printTable([HEADERS, ...results.map(row)]))
  const assumed = manifest.containers.filter(({ isUserOfImage }) => isUserOfImage).map(({ name }) => name)
  const hasUserRule = policy.rules.some(({ match }) => match.user)
  if (assumed.length && hasUserRule)
    print(
      `The manifest has no runAsUser for ${assumed.join(', ')}: taken as uid ${imageUser}, as --image-user says.`,
    )
}

async function readManifest(file: string): Promise<string> {
  if (file === '-') return text(process.stdin)
  return readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Error(
      `${file}: can't be read: ${error.code === 'ENOENT' ? 'there is no such file' : error.message}`,
    )
  })
}

export interface TestResult {
  /** Undefined for the sandbox. */
  readonly container: string | undefined
  readonly outcome: Verdict['outcome']
  /** The index of a rule, or another key of the policy; null where it has no say. */
  readonly rule: Setting | null
  /** The length of the pod's range; null where it has none. */
  readonly ids: number | null
  readonly reason: string | undefined
}

/** The sandbox first. What would be done at create, by the same functions. */
export function verdictsOn(manifest: Manifest, policy: Policy, idsPerPod: number): TestResult[] {
  const { subject, facts } = manifest.sandbox
  const sandbox = judge(policy, subject, facts, { idsPerPod })
  const containers = manifest.containers.map((one) => {
    if (sandbox.outcome === 'refuse')
      return result(one.name, { outcome: 'refuse', by: sandbox.by, reason: 'its sandbox is refused' })
    const home = sandbox.outcome === 'map' ? 'range' : facts.hasUserNamespace ? 'elsewhere' : 'host'
    const ids = sandbox.ids ?? idsPerPod
    const verdict = judge(policy, one.subject, inSandbox(one.facts, facts), { ids })
    return result(one.name, follow(home, verdict, one.facts.hasUserNamespace))
  })
  return [result(undefined, sandbox), ...containers]
}

const result = (container: string | undefined, { outcome, by, ids, reason }: Verdict): TestResult => ({
  container,
  outcome,
  rule: by ?? null,
  ids: ids ?? null,
  reason,
})

function placeOf(rule: Setting | null, { placeOf }: PlacedConfig): string | undefined {
  if (rule === null) return undefined
  return placeOf(typeof rule === 'number' ? ['policy', 'rules', rule] : ['policy', rule])
}

const HEADERS = ['PART', 'OUTCOME', 'IDS', 'RULE', 'PLACE', 'REASON']

const row = ({
  container,
  outcome,
  ids,
  rule,
  place,
  reason,
}: TestResult & { place: string | undefined }) => [
  container === undefined ? 'sandbox' : `container ${container}`,
  outcome,
  ids === null ? '-' : `${ids}`,
  rule === null ? '-' : typeof rule === 'number' ? `rules[${rule}]` : rule,
  place ?? '-',
  reason ?? '-',
]

function parseUid(value: string): number {
  const uid = Number(value)
  if (!/^\d+$/.test(value) || uid > 2 ** 32 - 2) throw new InvalidArgumentError('expected a uid.')
  return uid
}
