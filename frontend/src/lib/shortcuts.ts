/** Keys that do something: `g j` (one after the other), `?`, `Shift+n`, `Mod+k`. They rest while somebody types. */
import { useEffect, useRef, useSyncExternalStore } from "react";

export interface Shortcut {
  /** Empty: it is in the palette only. */
  keys: string;
  label: string;
  group?: string;
  run: () => void;
}

const SEQUENCE_MS = 1000;
const active = new Map<number, readonly Shortcut[]>();
const listeners = new Set<() => void>();
let next = 0;
let shown: readonly Shortcut[] = [];

function changed(): void {
  shown = [...active.values()].flat();
  for (const listener of listeners) listener();
}

/** All shortcuts that work on this screen, for `?` and the palette. */
export const useShortcutList = (): readonly Shortcut[] =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => shown,
  );

export function useShortcuts(shortcuts: readonly Shortcut[]): void {
  const latest = useRef(shortcuts);
  latest.current = shortcuts;
  const shape = shortcuts.map((one) => `${one.keys}\u0000${one.label}`).join("\u0001");
  // biome-ignore lint/correctness/useExhaustiveDependencies: `shape` says when the set has changed; what they run is always the latest
  useEffect(() => {
    const id = next++;
    active.set(
      id,
      latest.current.map((one, index) => ({ ...one, run: () => latest.current[index]?.run() })),
    );
    changed();
    return () => {
      active.delete(id);
      changed();
    };
  }, [shape]);
}

export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return (
    target.isContentEditable ||
    ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName) ||
    target.closest("[data-keys=own]") !== null
  );
}

/** A key press as it is written in `keys`. */
export function pressed(event: Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">): string {
  const shift = event.shiftKey && /^[a-z]$/i.test(event.key) ? "Shift+" : "";
  const key = shift + (event.key.length === 1 ? event.key.toLowerCase() : event.key);
  return `${event.ctrlKey || event.metaKey ? "Mod+" : ""}${event.altKey ? "Alt+" : ""}${key}`;
}

const everywhere = ({ group }: Shortcut): boolean => group === "Everywhere" || group === "Go to";

let pending = "";
let pendingAt = 0;

export function handleKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || ["Shift", "Control", "Alt", "Meta"].includes(event.key)) return;
  const key = pressed(event);
  const over = document.querySelector("[role=dialog][data-state=open], [role=alertdialog], [role=menu]") !== null;
  if ((over || isTyping(event.target)) && !key.startsWith("Mod+")) return;
  const now = event.timeStamp;
  const sequence = pending && now - pendingAt < SEQUENCE_MS ? `${pending} ${key}` : key;
  // What is the screen's own comes before what is the same everywhere, and rests while something lies over the screen.
  const all = [...shown.filter((one) => !everywhere(one) && !over).reverse(), ...shown.filter(everywhere)];
  const found = all.find((one) => one.keys === sequence) ?? all.find((one) => one.keys === key);
  if (found) {
    event.preventDefault();
    pending = "";
    found.run();
    return;
  }
  pending = all.some((one) => one.keys.startsWith(`${key} `)) ? key : "";
  pendingAt = now;
}
