/** Clips as a table: a line for each prompt, a column for each step, so that along a line the same seed becomes better. */
import type { Group } from "../rollouts/documents";
import { preview } from "../rollouts/groups";

export interface Clip {
  id: string;
  url: string | null;
  step: number;
  frames: number;
}

export interface PromptRow {
  /** The row of the dataset that the caption is of, else the caption itself. */
  key: string;
  caption: string;
  /** By step. */
  clips: ReadonlyMap<number, Clip>;
}

export interface Grid {
  steps: readonly number[];
  prompts: readonly PromptRow[];
}

/** Of a step that another attempt went over again, what was made last counts. */
export function gridOf(groups: readonly Group[], urlOf: (clip: { id: string; mediaUrl: string | null }) => string | null): Grid {
  const rows = new Map<string, { key: string; caption: string; clips: Map<number, Clip>; attempts: Map<number, number> }>();
  for (const group of groups) {
    const caption = preview(group.prompt);
    const key = group.datasetRow === null ? caption : String(group.datasetRow);
    const row = rows.get(key) ?? { key, caption, clips: new Map(), attempts: new Map() };
    rows.set(key, row);
    const one = group.completions[0];
    if (!one || (row.attempts.get(group.step) ?? 0) > group.attempt) continue;
    row.attempts.set(group.step, group.attempt);
    row.clips.set(group.step, { id: one.id, url: urlOf(one), step: group.step, frames: one.tokens });
  }
  const steps = [...new Set([...rows.values()].flatMap((row) => [...row.clips.keys()]))].sort((a, b) => a - b);
  const prompts = [...rows.values()].map(({ key, caption, clips }) => ({ key, caption, clips }));
  return { steps, prompts: prompts.toSorted((a, b) => Number(a.key) - Number(b.key) || (a.key < b.key ? -1 : 1)) };
}

export const stepName = (step: number): string => (step === 0 ? "Before training" : `Step ${step}`);

/** Which steps stand beside each other: those asked for where there are such clips, else the first and the last. */
export function pairOf({ clips }: PromptRow, from: number | null, to: number | null): [Clip, Clip] | null {
  const steps = [...clips.keys()].sort((a, b) => a - b);
  const first = clips.get(from ?? -1) ?? clips.get(steps[0] ?? -1);
  const second = clips.get(to ?? -1) ?? clips.get(steps.at(-1) ?? -1);
  return first && second ? [first, second] : null;
}

/** The step that many places further along a prompt's clips. */
export function along({ clips }: PromptRow, step: number, by: number): number {
  const steps = [...clips.keys()].sort((a, b) => a - b);
  const at = steps.indexOf(step);
  return steps[Math.min(Math.max(at + by, 0), steps.length - 1)] ?? step;
}

/** A signed address without its host: the page may have been opened by another name of the server, where its rules refuse this one. */
export const local = (url: string): string => {
  const { pathname, search } = new URL(url, "http://server");
  return pathname + search;
};

/** Addresses of clips that stay the same while new ones are asked for: another address would start a clip anew. */
export class Addresses {
  private readonly known = new Map<string, string>();
  private readonly old = new Set<string>();

  of = ({ id, mediaUrl }: { id: string; mediaUrl: string | null }): string | null => {
    const kept = this.known.get(id);
    if (kept !== undefined && !this.old.has(id)) return kept;
    if (mediaUrl === null) return null;
    const given = local(mediaUrl);
    // Pages come one by one: until a clip's own does, what is known of it is the address that ran out.
    if (given !== kept) this.old.delete(id);
    this.known.set(id, given);
    return given;
  };

  /** Those that were signed ran out: the next answer brings others. */
  runOut(): void {
    for (const id of this.known.keys()) this.old.add(id);
  }
}
