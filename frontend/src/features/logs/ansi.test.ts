import { expect, test } from "vitest";
import { plain, spans } from "./ansi";
import { highlight, matches } from "./highlight";

const looks = (message: string) => spans(message).map(({ text, ink, bold }) => [text, ink, bold]);

test("colours become spans of known looks", () => {
  expect(looks("a\u001b[31mred\u001b[1m bold\u001b[0m b")).toEqual([
    ["a", "plain", false],
    ["red", "red", false],
    [" bold", "red", true],
    [" b", "plain", false],
  ]);
  expect(looks("\u001b[92mbright\u001b[39mback\u001b[2mdim\u001b[22mnot")).toEqual([
    ["bright", "green", false],
    ["back", "plain", false],
    ["dim", "faint", false],
    ["not", "plain", false],
  ]);
});

test("colours whose contrast is unknown are left out, and take their numbers with them", () => {
  expect(looks("\u001b[38;5;31mx\u001b[38;2;1;31;4;1my\u001b[48;5;32;33mz")).toEqual([
    ["x", "plain", false],
    ["y", "plain", true],
    ["z", "yellow", true],
  ]);
});

test("what a terminal would obey is dropped", () => {
  expect(plain("\u001b[2J\u001b[10;5Hhere\u001b]0;title\u0007!\u001b]8;;http://x\u001b\\link\u001b]8;;\u001b\\")).toBe(
    "here!link",
  );
  expect(plain("a\u0000b\u0007c\u0085d\te")).toBe("abcd\te");
  expect(plain("cut \u001b[3")).toBe("cut 3");
  expect(plain("\u001b]0;never ends")).toBe("");
  expect(plain("<img src=x onerror=alert(1)>")).toBe("<img src=x onerror=alert(1)>");
});

test("of a progress bar the last state stands", () => {
  expect(plain("10 %\r50 %\r100 %\r")).toBe("100 %");
});

test("matches are marked across colours, whatever their case", () => {
  expect(matches("abAB", "ab")).toEqual([
    [0, 2],
    [2, 4],
  ]);
  expect(matches("aaa", "aa")).toEqual([[0, 2]]);
  expect(matches("anything", "")).toEqual([]);
  expect(matches("İab", "ab")).toEqual([]);
  expect(highlight(spans("xVal\u001b[31mueError y"), "valueerror").map(({ text, ink, match }) => [text, ink, match])).toEqual([
    ["x", "plain", false],
    ["Val", "plain", true],
    ["ueError", "red", true],
    [" y", "red", false],
  ]);
});
