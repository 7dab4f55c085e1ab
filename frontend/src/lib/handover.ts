/**
 * Samples that one screen hands to the reward playground, too long for an address.
 *
 * They lie in the tab's own storage until the playground takes them, so a reload on the way loses nothing.
 */
import type { Json } from "./graphql";

export interface HandedSample {
  /** Where it came from, in a word or two. */
  label?: string;
  prompt: Json;
  completion: Json;
  columns: { [name: string]: Json };
}

const KEY = "burnish.playground.handed";

export function handOver(samples: readonly HandedSample[]): void {
  sessionStorage.setItem(KEY, JSON.stringify(samples));
}

/** What was handed over, once; null where nothing was. */
export function takeOver(): HandedSample[] | null {
  const text = sessionStorage.getItem(KEY);
  if (!text) return null;
  sessionStorage.removeItem(KEY);
  try {
    const found: unknown = JSON.parse(text);
    return Array.isArray(found) ? (found as HandedSample[]) : null;
  } catch {
    return null;
  }
}
