import { z } from 'zod'

type Labels = Readonly<Record<string, string>>

/** Under this name CRI keeps its record of a sandbox with the sandbox's container. */
const CRI_RECORD = 'io.cri-containerd.sandbox.metadata'

const recordSchema = z.object({
  Metadata: z.object({ Config: z.object({ labels: z.record(z.string(), z.string()).optional() }) }),
})

/**
 * Asks containerd, on its gRPC socket, for the labels of pods: it tells them to no OCI runtime. What this takes is loaded
 * when it is needed first, as it costs some 70 ms and 6 MB.
 */
export class ContainerdLabels {
  readonly socketPath: string
  #loaded: ReturnType<typeof load> | undefined
  readonly #known = new Map<string, Labels>()

  constructor(socketPath: string) {
    this.socketPath = socketPath
  }

  /** Of use before the first pod comes that has to be asked about. */
  prepare(): ReturnType<typeof load> {
    this.#loaded ??= load(this.socketPath)
    return this.#loaded
  }

  /**
   * Of a sandbox whose container is made or being made: its record is there before the runtime's `create`. It is asked
   * for once, until forget.
   * @throws Error with the reason, fit to follow "can't be asked: ", after two seconds at the latest
   */
  async ofSandbox(sandboxID: string): Promise<Labels> {
    const known = this.#known.get(sandboxID)
    if (known) return known
    const { client, OPTIONS, reasonOf } = await this.prepare()
    try {
      const { container } = await client.containers.get({ id: sandboxID }, OPTIONS)
      const labels = labelsIn(container?.extensions[CRI_RECORD]?.value)
      this.#known.set(sandboxID, labels)
      return labels
    } catch (error) {
      throw new Error(reasonOf(error), { cause: error })
    }
  }

  /** Of a sandbox that nobody asked about: nothing. */
  forget(sandboxID: string): void {
    this.#known.delete(sandboxID)
  }

  /**
   * Of a sandbox that has no container yet: containerd 2 records what CRI knows of it before CNI's ADD, 1.x doesn't.
   * @returns undefined when containerd doesn't know
   * @throws Error as ofSandbox
   */
  async ofNewSandbox(sandboxID: string): Promise<Labels | undefined> {
    const { client, OPTIONS, isUnknown, reasonOf } = await this.prepare()
    try {
      const { sandbox } = await client.sandboxes.get({ sandboxId: sandboxID }, OPTIONS)
      return labelsIn(sandbox?.extensions.metadata?.value)
    } catch (error) {
      if (isUnknown(error)) return undefined
      throw new Error(reasonOf(error), { cause: error })
    }
  }

  async close(): Promise<void> {
    ;(await this.#loaded)?.client.close()
  }
}

async function load(socketPath: string) {
  const { connectTo, ...rest } = await import('./client.js')
  return { client: connectTo(socketPath), ...rest }
}

/**
 * What CRI has recorded of a sandbox, in JSON: its configuration as the kubelet gave it (internal/cri/store/sandbox; before
 * 2.0 pkg/cri/store/sandbox).
 * @throws Error when this isn't it: a pod without labels isn't the same as one whose labels aren't known
 */
export function labelsIn(record: Uint8Array | undefined): Labels {
  const result = recordSchema.safeParse(parse(record))
  if (!result.success) throw new Error('its record of the sandbox is in a form unknown here')
  return result.data.Metadata.Config.labels ?? {}
}

function parse(record: Uint8Array | undefined): unknown {
  try {
    return record && JSON.parse(Buffer.from(record).toString())
  } catch {
    return undefined
  }
}
