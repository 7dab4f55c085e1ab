import { expect, test } from "vitest";
import { Renewals } from "./renewals";

test("clips that fail together are one renewal, however often their addresses run out", () => {
  const renewals = new Renewals();
  for (let time = 0; time < 10; time++) {
    expect(["a", "b", "c"].map((id) => renewals.fail(id))).toEqual([true, false, false]);
    renewals.answer();
    for (const id of ["a", "b", "c"]) renewals.load(id);
  }
});

test("a clip that other addresses do not help stops to ask, whatever the others do", () => {
  const renewals = new Renewals();
  const asked = [1, 2, 3, 4].map(() => {
    const was = renewals.fail("broken");
    renewals.answer();
    renewals.load("fine");
    return was;
  });
  expect(asked).toEqual([true, true, true, false]);
  expect(renewals.fail("fine")).toBe(true);
});
