import { expect, test } from "vitest";
import { csv } from "./csv";

test("commas, quotes and line breaks stay in their cells", () => {
  expect(
    csv([
      ["a", 1, null],
      ['say "hi", twice', "two\nlines", ""],
    ]),
  ).toBe('a,1,\r\n"say ""hi"", twice","two\nlines",\r\n');
});

test("a formula is text, an amount is a number", () => {
  expect(csv([["=1+1", "-0.002109", "+1", "@x", "-x"]])).toBe("'=1+1,-0.002109,'+1,'@x,'-x\r\n");
});
