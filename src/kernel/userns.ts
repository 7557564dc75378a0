import { closeSync, openSync, writeFileSync } from 'node:fs'
import type { IdRange } from '../ranges/range.js'
import { CLONE_NEWUSER } from './flags.js'
import { withNamespaces } from './libc.js'

/** A descriptor of a user namespace with these lines of user_namespaces(7)'s uid_map, for uids and gids alike. */
function openUserNamespace(lines: string): number {
  return withNamespaces(CLONE_NEWUSER, (pid) => {
    writeFileSync(`/proc/${pid}/uid_map`, lines)
    writeFileSync(`/proc/${pid}/gid_map`, lines)
    return openSync(`/proc/${pid}/ns/user`, 'r')
  })
}

/** The two user namespaces by which the layers of a pod's root file systems are mapped. */
export class LayerMappings {
  readonly lower: number
  readonly upper: number

  constructor(range: IdRange) {
    const pod = `0 ${range.hostID} ${range.length}`
    this.lower = openUserNamespace(`${pod}\n`)
    // overlayfs makes its work/work directory as the mounter, the host's root, who needs an id of his own below the
    // mapped ones, or the overlay turns read-only (EOVERFLOW). Lower layers don't get it: there, a file of that id,
    // setuid maybe, would look like the host's root.
    this.upper = openUserNamespace(`${pod}\n${range.length} 0 1\n`)
  }

  close(): void {
    closeSync(this.lower)
    closeSync(this.upper)
  }
}
