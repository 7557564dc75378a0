import t from 'tap'
import type { PodRow, Status } from '../../src/admin/protocol.js'
import { podRow } from '../../src/cli/list.js'
import { statusRows } from '../../src/cli/status.js'
import { printTable } from '../../src/cli/table.js'

t.test('columns with three spaces in between, no borders, nothing at the ends of lines', async (t) => {
  t.equal(
    printTable([
      ['POD', 'STATE', 'AGE'],
      ['a', 'running', '1s'],
      ['longer', '-', '20m'],
    ]),
    ['POD      STATE     AGE', 'a        running   1s', 'longer   -         20m'].join('\n'),
  )
})

t.test('what a pod is called does not reach the terminal as a command', async (t) => {
  t.equal(printTable([['a\u001b[2Jb\nc']]), 'a\\u001b[2Jb\\u000ac')
})

const now = new Date('2026-11-25T10:00:00Z')

t.test('a pod', async (t) => {
  const pod: PodRow = {
    namespace: 'shop',
    pod: 'web',
    uid: 'uid-1',
    firstID: 131072,
    lastID: 196607,
    state: 'running',
    sandboxes: ['s'],
    since: '2026-11-25T09:55:30Z',
  }
  t.strictSame(podRow(pod, now), ['shop', 'web', 'uid-1', '131072-196607', 'running', '4m30s'])
  t.match(podRow({ ...pod, namespace: '', pod: '', state: 'unknown' }, now), ['-', '-', 'uid-1'])
})

const status: Status = {
  version: '0.1.0',
  pid: 7,
  since: '2026-11-25T09:00:00Z',
  enabled: true,
  nri: { state: 'connected', runtime: 'containerd v2.1.9' },
  ranges: {
    firstID: 65536,
    count: 655360,
    idsPerPod: 65536,
    total: 10,
    used: 3,
    avoided: 2,
    free: 5,
    pods: 2,
    limit: 8,
  },
}

t.test('the status', async (t) => {
  t.strictSame(statusRows(status, now), [
    ['DAEMON', 'version 0.1.0, pid 7, up 60m'],
    ['NRI', 'connected to containerd v2.1.9'],
    ['BLOCKS', '3 used, 2 avoided, 5 free, of 10; 65536 ids each'],
    ['IDS', '65536-720895'],
    ['PODS', '2 with a range, of 8 at most; 65536 ids each, unless a rule says otherwise'],
  ])
})

t.test('the status while the runtime is away', async (t) => {
  const rowsOf = (nri: Status['nri']) => statusRows({ ...status, nri }, now)[1]
  t.strictSame(rowsOf({ state: 'disconnected', reason: 'There is no NRI socket at /x.' }), [
    'NRI',
    'not connected to the container runtime: There is no NRI socket at /x.',
  ])
  t.strictSame(rowsOf({ state: 'disconnected', runtime: 'containerd v2.1.9' }), [
    'NRI',
    'not connected to containerd v2.1.9',
  ])
})

t.test('the status of a daemon that is switched off', async (t) => {
  t.strictSame(statusRows({ ...status, enabled: false, nri: { state: 'off' } }, now), [
    ['DAEMON', 'version 0.1.0, pid 7, up 60m'],
    ['RANGES', 'switched off in the config: pods pass untouched'],
  ])
})
