/** The list as it is held here: pages that were read, with what changed since put in its place. */
import type { JobRow } from "./queries";

export interface Page {
  rows: readonly JobRow[];
  hasNextPage: boolean;
  endCursor: string | null;
}

const same = (one: JobRow, other: JobRow): boolean => one === other || JSON.stringify(one) === JSON.stringify(other);

/** Rows that did not change stay the objects they were, so that nothing of them is drawn again. */
export function kept(was: readonly JobRow[], now: readonly JobRow[]): JobRow[] {
  const known = new Map(was.map((row) => [row.id, row]));
  return now.map((row) => {
    const old = known.get(row.id);
    return old && same(old, row) ? old : row;
  });
}

/**
 * The list after its first page was read again. What stands behind that page stays, by the order of ids, which is that of their times;
 * what the page should hold and does not was deleted, or no longer meets the filter.
 */
export function refreshed(was: Page, first: Page): Page {
  const last = first.rows.at(-1);
  if (!first.hasNextPage || !last) return { ...first, rows: kept(was.rows, first.rows) };
  const rest = was.rows.filter((row) => row.id < last.id);
  const rows = [...kept(was.rows, first.rows), ...rest];
  return rest.length ? { rows, hasNextPage: was.hasNextPage, endCursor: was.endCursor } : { ...first, rows };
}

/** The list with a further page behind it; rows that both have are taken once. */
export function extended(was: Page, next: Page): Page {
  const known = new Set(was.rows.map((row) => row.id));
  return { ...next, rows: [...was.rows, ...next.rows.filter((row) => !known.has(row.id))] };
}

/** The list with single rows changed; null takes one out. */
export function patched(was: Page, changes: ReadonlyMap<string, JobRow | null>): Page {
  const rows = was.rows.flatMap((row) => {
    const change = changes.get(row.id);
    if (change === undefined) return [row];
    return change === null ? [] : kept([row], [change]);
  });
  return { ...was, rows };
}
