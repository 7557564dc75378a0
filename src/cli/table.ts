import Table from 'cli-table3'
import { printable } from '../observe/printable.js'

const BORDERS =
  'top top-mid top-left top-right bottom bottom-mid bottom-left bottom-right left left-mid mid mid-mid right right-mid'
const NO_BORDERS = Object.fromEntries(BORDERS.split(' ').map((part) => [part, '']))

/** Columns as crictl prints them: no borders, three spaces in between. */
export function printTable(rows: readonly (readonly string[])[]): string {
  const table = new Table({
    chars: { ...NO_BORDERS, middle: '   ' },
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [], compact: true },
  })
  // Names come from pods' authors: nothing in them may steer the admin's terminal.
  table.push(...rows.map((row) => row.map(printable)))
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}
