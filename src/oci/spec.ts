/**
 * The parts of an OCI runtime specification's config.json that are read or changed here (runtime-spec, config-linux.md).
 * All else is kept as it is: modifiers copy objects with their unknown keys.
 */
export interface Spec {
  readonly annotations?: Readonly<Record<string, string>>
  readonly process?: {
    readonly user?: {
      readonly uid?: number
      readonly gid?: number
      readonly additionalGids?: readonly number[]
    }
    readonly capabilities?: { readonly bounding?: readonly string[]; readonly [key: string]: unknown }
    readonly [key: string]: unknown
  }
  readonly root?: { readonly path?: string; readonly [key: string]: unknown }
  readonly mounts?: readonly SpecMount[]
  readonly linux?: Linux
  readonly [key: string]: unknown
}

export interface Linux {
  readonly namespaces?: readonly SpecNamespace[]
  readonly uidMappings?: readonly IdMapping[]
  readonly gidMappings?: readonly IdMapping[]
  readonly sysctl?: Readonly<Record<string, string>>
  readonly [key: string]: unknown
}

export interface SpecNamespace {
  readonly type: string
  readonly path?: string
}

export interface IdMapping {
  readonly containerID: number
  readonly hostID: number
  readonly size: number
}

export interface SpecMount {
  readonly destination: string
  readonly type?: string
  readonly source?: string
  readonly options?: readonly string[]
  readonly [key: string]: unknown
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

type Check = (value: unknown) => boolean

const isString: Check = (value) => typeof value === 'string'
const isID: Check = (value) =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check)
const mapOf =
  (check: Check): Check =>
  (value) =>
    isObject(value) && Object.values(value).every(check)
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || value === null || check(value)
const shape =
  (checks: Record<string, Check>): Check =>
  (value) =>
    isObject(value) && Object.entries(checks).every(([key, check]) => check(value[key]))

const isMapping = shape({ containerID: isID, hostID: isID, size: isID })

const CHECKS: Record<string, Check> = {
  annotations: optional(mapOf(isString)),
  process: optional(
    shape({
      user: optional(
        shape({ uid: optional(isID), gid: optional(isID), additionalGids: optional(listOf(isID)) }),
      ),
      capabilities: optional(shape({ bounding: optional(listOf(isString)) })),
    }),
  ),
  root: shape({ path: isString }),
  mounts: optional(
    listOf(
      shape({
        destination: isString,
        type: optional(isString),
        source: optional(isString),
        options: optional(listOf(isString)),
      }),
    ),
  ),
  linux: shape({
    namespaces: optional(listOf(shape({ type: isString, path: optional(isString) }))),
    uidMappings: optional(listOf(isMapping)),
    gidMappings: optional(listOf(isMapping)),
    sysctl: optional(mapOf(isString)),
  }),
}

/** @throws Error with a sentence when the text is no specification of a Linux container, or one of the parts above has another type */
export function parseSpec(text: string): Spec {
  let spec: unknown
  try {
    spec = JSON.parse(text)
  } catch (error) {
    throw new Error(`its config.json is not JSON: ${(error as Error).message}`)
  }
  if (!isObject(spec)) throw new Error('its config.json is not an object')
  for (const [key, check] of Object.entries(CHECKS)) {
    if (!check(spec[key]))
      throw new Error(`its config.json is no OCI specification: "${key}" is missing or not as it should be`)
  }
  return spec as Spec
}
