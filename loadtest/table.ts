/** A Markdown table; `numbers` are all columns but the first, and stand to the right. */
export function renderTable(head: string[], rows: string[][], kind: 'texts' | 'numbers' = 'texts'): string {
  const rule = head.map((_, index) => (kind === 'texts' || index === 0 ? '---' : '---:'));
  return [head, rule, ...rows].map(cells => `| ${cells.map(escapeCell).join(' | ')} |`).join('\n');
}

function escapeCell(cell: string): string {
  return cell.replaceAll('|', '\\|');
}

/** A number without decimals, thousands set apart. */
export function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
