/** What is being written, kept in this browser: a closed tab loses nothing. */
import { ownKey } from "@/lib/own";
import type { Format } from "../documents";
import { fromJsonl, type Sample } from "./samples";
import type { Template } from "./templates";

export interface Weight {
  name: string;
  weight: number;
}

export interface Draft {
  /** What it began as: `rf_…`, or the id of a template. One draft of each is kept. */
  base: string;
  /** What it was called there. */
  name: string;
  original: string;
  source: string;
  format: Format;
  fileName: string;
  weights: readonly Weight[];
  samples: readonly Sample[];
}

const key = () => ownKey("rewards");
const MOST = 8;

function all(): Draft[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(key()) ?? "[]");
    return Array.isArray(found) ? found.filter((one: Partial<Draft>) => one?.base && Array.isArray(one.samples)) : [];
  } catch {
    return [];
  }
}

export function keep(draft: Draft): void {
  const others = all().filter((one) => one.base !== draft.base);
  try {
    localStorage.setItem(key(), JSON.stringify([draft, ...others].slice(0, MOST)));
  } catch {
    // A full or forbidden storage costs the draft of a closed tab, nothing else.
  }
}

/** The draft that began as `base`, or the last one whatever it began as; null where there is none. */
export const kept = (base: string | null): Draft | null => all().find((one) => base === null || one.base === base) ?? null;

export const ofTemplate = (template: Template): Draft => ({
  base: template.id,
  name: template.name,
  original: template.source,
  source: template.source,
  format: "TRL",
  fileName: "reward.py",
  weights: [],
  samples: fromJsonl(template.samples).samples,
});

interface Stored {
  id: string;
  name: string;
  source: string;
  format: Format;
  fileName: string;
  weights: readonly Weight[];
}

/** A draft of a stored function, on samples that the reader already has. */
export const ofStored = (stored: Stored, samples: readonly Sample[]): Draft => ({
  base: stored.id,
  name: stored.name,
  original: stored.source,
  source: stored.source,
  format: stored.format,
  fileName: stored.fileName,
  weights: stored.weights,
  samples,
});

export const isChanged = (draft: Draft): boolean => draft.source !== draft.original;
