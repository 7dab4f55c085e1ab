import { expect, test } from "vitest";
import { pressed } from "./shortcuts";

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
