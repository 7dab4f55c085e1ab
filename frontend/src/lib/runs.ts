/** One colour per run, the same everywhere it is shown. */

export const RUN_COLORS = 10;

/** FNV-1a: ids differ in their last letters, and each must count. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  return value >>> 0;
}

const preferred = (id: string): number => hash(id) % RUN_COLORS;

/**
 * The colour of a run as a name of the tokens (`--run-3`). It follows from the id alone; among `ids` that are shown together, who
 * comes later in time gives way where two would have the same. Beyond ten, colours come again.
 */
export function runColor(id: string, ids: readonly string[] = [id]): string {
  const taken = new Set<number>();
  // Ids sort by time, so that what is added later does not repaint what is there.
  for (const one of [...new Set(ids)].sort()) {
    let slot = preferred(one);
    if (taken.size === RUN_COLORS) taken.clear();
    while (taken.has(slot)) slot = (slot + 1) % RUN_COLORS;
    taken.add(slot);
    if (one === id) return `--run-${slot + 1}`;
  }
  return `--run-${preferred(id) + 1}`;
}
