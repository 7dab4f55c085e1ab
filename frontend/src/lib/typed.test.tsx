import { act, renderHook } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { useTyped } from "./typed";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function typing(initial = "") {
  const told: string[] = [];
  const onChange = (text: string) => void told.push(text);
  const { result, rerender } = renderHook(({ value }) => useTyped(value, onChange, 200), { initialProps: { value: initial } });
  return {
    told,
    seen: () => result.current.text,
    type: (text: string) => act(() => result.current.type(text)),
    settle: () => act(() => result.current.settle()),
    rest: () => act(() => void vi.advanceTimersByTime(200)),
    comes: (value: string) => rerender({ value }),
  };
}

test("what is typed is seen at once, and told once the hand rests", () => {
  const box = typing();
  box.type("a");
  box.type("ab");
  expect([box.seen(), box.told]).toEqual(["ab", []]);
  box.rest();
  expect(box.told).toEqual(["ab"]);
  box.settle();
  expect(box.told).toEqual(["ab"]);
});

test("an answer that comes late takes no letter away", () => {
  const box = typing();
  box.type("ab");
  box.rest();
  box.type("abc");
  box.comes("ab");
  expect(box.seen()).toBe("abc");
  box.rest();
  box.comes("abc");
  expect([box.seen(), box.told]).toEqual(["abc", ["ab", "abc"]]);
});

test("two answers on their way are both ours, in whatever state they come", () => {
  const box = typing();
  box.type("a");
  box.rest();
  box.type("ab");
  box.rest();
  box.comes("a");
  expect(box.seen()).toBe("ab");
  box.comes("ab");
  expect([box.seen(), box.told]).toEqual(["ab", ["a", "ab"]]);
});

test("a value from elsewhere takes the place of what was typed, and is not told back", () => {
  const box = typing("abc");
  box.type("abcd");
  box.comes("");
  box.rest();
  expect([box.seen(), box.told]).toEqual(["", []]);
});
