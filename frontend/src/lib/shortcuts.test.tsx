import { cleanup, render } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import { handleKey, pressed, type Shortcut, useShortcuts } from "./shortcuts";

afterEach(cleanup);

const press = (key: string, held: Partial<Record<"ctrlKey" | "metaKey" | "altKey" | "shiftKey", boolean>> = {}) =>
  pressed({ key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...held });

test("a key as it is written: shift counts for letters alone", () => {
  expect([press("n"), press("N", { shiftKey: true }), press("N"), press("?", { shiftKey: true })]).toEqual([
    "n",
    "Shift+n",
    "n",
    "?",
  ]);
  expect([press("k", { metaKey: true }), press("Enter"), press("j", { altKey: true })]).toEqual(["Mod+k", "Enter", "Alt+j"]);
});

function Keys({ of, children }: { of: readonly Shortcut[]; children?: React.ReactNode }) {
  useShortcuts(of);
  return children;
}

function hit(key: string, held: KeyboardEventInit = {}, on: Element = document.body): boolean {
  const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...held });
  on.addEventListener("keydown", (heard) => handleKey(heard as KeyboardEvent), { once: true });
  on.dispatchEvent(event);
  return event.defaultPrevented;
}

/** A frame and the screen in it, mounted at once: the frame's effects come last, as on a page that is opened by its address. */
function opened(extra?: React.ReactNode): string[] {
  const ran: string[] = [];
  const key = (keys: string, name: string, group?: string): Shortcut => ({
    keys,
    label: name,
    run: () => void ran.push(name),
    ...(group ? { group } : {}),
  });
  render(
    <Keys of={[key("/", "palette", "Everywhere"), key("Mod+k", "search", "Everywhere"), key("g j", "jobs", "Go to")]}>
      <Keys of={[key("/", "find", "Jobs"), key("Mod+Enter", "start")]} />
      {extra}
    </Keys>,
  );
  return ran;
}

test("a screen's own key goes before the same key of the frame, whichever was mounted first", () => {
  const ran = opened();
  hit("/");
  hit("g");
  hit("j");
  expect(ran).toEqual(["find", "jobs"]);
});

test("while a dialog is open the screen beneath it hears nothing, and typing in it is typing", () => {
  const ran = opened(
    <div role="dialog" data-state="open">
      <input aria-label="name" />
    </div>,
  );
  const input = document.querySelector("input");
  if (!input) throw new Error("no input");
  expect(hit("Enter", { ctrlKey: true }, input)).toBe(false);
  expect(hit("/", {}, input)).toBe(false);
  expect(hit("/")).toBe(false);
  expect(hit("k", { ctrlKey: true }, input)).toBe(true);
  expect(ran).toEqual(["search"]);
});
