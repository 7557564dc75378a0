import { type CniPlugin, cniBin, cniConf } from './cni.js'
import type { ContainerdVersion } from './packages.js'

/** What a runtime handler is made of. */
export interface Runtime {
  /** The OCI runtime that containerd's shim calls: runc's options.BinaryName. */
  readonly binary: string
  /** More of runc's options, as Root or SystemdCgroup. */
  readonly options?: Readonly<Record<string, TomlValue>>
  /** More of the handler's own settings, as pod_annotations. */
  readonly settings?: Readonly<Record<string, TomlValue>>
  /** CNI plugins that are called before the one which makes the network. */
  readonly cniChain?: readonly CniPlugin[]
}

export type TomlValue = string | number | boolean | readonly string[]

export interface ConfigInput {
  readonly version: ContainerdVersion
  readonly directory: string
  readonly pauseImage: string
  readonly runtimes: Readonly<Record<string, Runtime>>
  readonly nri: boolean
  readonly pluginPath: string
  readonly pluginConfigPath: string
}

/** containerd's configuration: everything in the bed's directory, all else as containerd has it by default. */
export function containerdConfig(input: ConfigInput): string {
  return `${input.version === '1.7' ? version2(input) : version3(input)}
[plugins.'io.containerd.nri.v1.nri']
disable = ${!input.nri}
socket_path = '${input.directory}/nri.sock'
plugin_path = '${input.pluginPath}'
plugin_config_path = '${input.pluginConfigPath}'
[plugins.'io.containerd.internal.v1.opt']
path = '${input.directory}/opt'
`
}

function version2({ directory, pauseImage, runtimes }: ConfigInput): string {
  const cri = "plugins.'io.containerd.grpc.v1.cri'"
  return `version = 2
${daemon(directory)}
[${cri}]
sandbox_image = '${pauseImage}'
${bareMachine}
[${cri}.cni]
bin_dir = '${cniBin(`${directory}/cni`)}'
conf_dir = '${cniConf(`${directory}/cni`)}'
${handlers(`${cri}.containerd`, directory, runtimes)}`
}

function version3({ directory, pauseImage, runtimes }: ConfigInput): string {
  const runtime = "plugins.'io.containerd.cri.v1.runtime'"
  return `version = 3
${daemon(directory)}
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = '${pauseImage}'
[${runtime}]
${bareMachine}
[${runtime}.cni]
bin_dirs = ['${cniBin(`${directory}/cni`)}']
conf_dir = '${cniConf(`${directory}/cni`)}'
${handlers(`${runtime}.containerd`, directory, runtimes)}`
}

const daemon = (directory: string) => `root = '${directory}/root'
state = '${directory}/state'
[grpc]
address = '${directory}/containerd.sock'
[ttrpc]
address = '${directory}/containerd.sock.ttrpc'`

/** Without the second, a root without CAP_SYS_RESOURCE gets no pod: runc may not lower oom_score_adj. */
const bareMachine = `netns_mounts_under_state_dir = true
restrict_oom_score_adj = true`

function handlers(table: string, directory: string, runtimes: Readonly<Record<string, Runtime>>): string {
  const tables = Object.entries(runtimes).map(
    ([handler, { binary, options, settings, cniChain }]) => `[${table}.runtimes.${handler}]
${keys({
  runtime_type: 'io.containerd.runc.v2',
  ...(cniChain && { cni_conf_dir: cniConf(`${directory}/cni`, handler) }),
  ...settings,
})}
[${table}.runtimes.${handler}.options]
${keys({ BinaryName: binary, Root: `${directory}/runtime`, ...options })}`,
  )
  return [`[${table}]\ndefault_runtime_name = 'runc'`, ...tables].join('\n')
}

/** JSON's strings, numbers, booleans and lists of them are TOML's too. */
function keys(table: Readonly<Record<string, TomlValue>>): string {
  return Object.entries(table)
    .map(([key, value]) => `${key} = ${JSON.stringify(value)}`)
    .join('\n')
}
