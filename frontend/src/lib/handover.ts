/**
 * Samples that one screen hands to the reward playground, too long for an address.
 *
 * They lie in the tab's own storage until the playground takes them, so a reload on the way loses nothing.
 */
import type { Json } from "./graphql";
import { ownKey } from "./own";

export interface HandedSample {
  /** Where it came from, in a word or two. */
  label?: string;
  prompt: Json;
  completion: Json;
  columns: { [name: string]: Json };
}

const key = () => ownKey("handed");

export function handOver(samples: readonly HandedSample[]): void {
  sessionStorage.setItem(key(), JSON.stringify(samples));
}

/** What was handed over, once; null where nothing was. */
export function takeOver(): HandedSample[] | null {
  const text = sessionStorage.getItem(key());
  if (!text) return null;
  sessionStorage.removeItem(key());
  try {
    const found: unknown = JSON.parse(text);
    return Array.isArray(found) ? (found as HandedSample[]) : null;
  } catch {
    return null;
  }
}
