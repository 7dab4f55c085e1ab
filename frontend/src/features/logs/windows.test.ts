import { expect, test } from "vitest";
import { WINDOW, Windows } from "./windows";

const lines = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => ({ number: from + index }));

test("lines are found by number, and what is missing is told by window", () => {
  const windows = new Windows();
  windows.fill(1, lines(201, 400), 1000);
  expect(windows.at(201)).toEqual({ number: 201 });
  expect(windows.at(200)).toBeUndefined();
  expect(windows.missing(201, 400)).toEqual([]);
  expect(windows.missing(150, 450)).toEqual([0, 2]);
});

test("live lines make a window that has only what is in sight", () => {
  const windows = new Windows();
  windows.put(lines(390, 410));
  expect(windows.missing(390, 410)).toEqual([]);
  expect(windows.missing(389, 410)).toEqual([1]);
});

test("what the server keeps no longer is not asked for again", () => {
  const windows = new Windows();
  windows.fill(0, lines(150, 200), 1000);
  expect(windows.at(149)).toBeNull();
  expect(windows.missing(1, 200)).toEqual([]);
});

test("what is written after the answer is not taken for lost", () => {
  const windows = new Windows();
  windows.fill(0, lines(1, 50), 50);
  expect(windows.at(51)).toBeUndefined();
  windows.put(lines(51, 60));
  expect(windows.missing(1, 60)).toEqual([]);
});

test("the least recently seen windows are forgotten", () => {
  const windows = new Windows(3);
  for (let window = 0; window < 3; window++)
    windows.fill(window, lines(Windows.first(window), Windows.first(window) + WINDOW - 1), 1000);
  expect(windows.missing(1, 10)).toEqual([]);
  windows.fill(3, lines(601, 800), 1000);
  expect(windows.size).toBe(3);
  expect([1, 201, 401, 601].map((number) => windows.at(number)?.number)).toEqual([1, undefined, 401, 601]);
});
