import type { PodRow, Status } from '../../src/admin/protocol.js'

export const status: Status = {
  version: '0.1.0',
  pid: 4711,
  since: '2026-01-01T00:00:00.000Z',
  enabled: true,
  nri: { state: 'connected', runtime: 'containerd v2.1.9' },
  ranges: {
    firstID: 2000224256,
    count: 147128320,
    idsPerPod: 65536,
    total: 2245,
    used: 2,
    avoided: 1,
    free: 2242,
    pods: 2,
    limit: 1024,
  },
}

export const pods: PodRow[] = [
  {
    namespace: 'shop',
    pod: 'web-0',
    uid: '8f7c1a4e-5b55-4b8e-9a51-0d3c2f1e6a70',
    firstID: 2000224256,
    lastID: 2000289791,
    state: 'running',
    sandboxes: ['b1c0ffee'],
    since: '2026-01-01T00:00:00.000Z',
  },
  {
    namespace: '',
    pod: '',
    uid: '1d9e7b32-0f3b-4d7e-8a64-5f0b9c8d7e61',
    firstID: 2000289792,
    lastID: 2000355327,
    state: 'unknown',
    sandboxes: [],
    since: '2026-01-01T00:00:00.000Z',
  },
]
