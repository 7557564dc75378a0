/**
 * Checks what a plugin registers as; the runtime would only drop the connection.
 * @throws Error that names the rule.
 */
export function checkIdentity(name: string, index: string): void {
  if (!/^[A-Za-z0-9_.+-]+$/.test(name)) {
    throw new Error(
      `The NRI plugin name "${name}" must be made of letters, digits and the characters _ . + -`,
    )
  }
  if (!/^[0-9]{2}$/.test(index)) {
    throw new Error(`The NRI plugin index "${index}" must be two digits, from 00 to 99.`)
  }
}

export interface Preinstalled {
  readonly name: string
  readonly index: string
  /** The socket to the runtime, connected already. */
  readonly fd: number
}

/**
 * How the runtime starts a plugin that it found in its plugin directory, or undefined when it did not start us.
 * @throws Error when the runtime's variables are incomplete or malformed.
 */
export function preinstalled(env: Readonly<Record<string, string | undefined>>): Preinstalled | undefined {
  const { NRI_PLUGIN_NAME: name, NRI_PLUGIN_IDX: index, NRI_PLUGIN_SOCKET: socket } = env
  if (socket === undefined) return undefined
  if (name === undefined || index === undefined) {
    throw new Error(
      'NRI_PLUGIN_SOCKET is set, but NRI_PLUGIN_NAME or NRI_PLUGIN_IDX is not: a runtime that starts a plugin sets ' +
        'all three. Unset NRI_PLUGIN_SOCKET to connect by path.',
    )
  }
  checkIdentity(name, index)
  // 0 to 2 are stdin, stdout and stderr.
  if (!/^[0-9]{1,9}$/.test(socket) || Number(socket) < 3) {
    throw new Error(
      `NRI_PLUGIN_SOCKET is "${socket}", but must be the number of an open file descriptor above 2.`,
    )
  }
  return { name, index, fd: Number(socket) }
}
