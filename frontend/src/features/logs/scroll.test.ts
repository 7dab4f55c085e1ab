import { expect, test } from "vitest";
import { MOST, ROW, ScrollSpace } from "./scroll";

function space(rows: number, view = 600, heights: Record<number, number> = {}) {
  const made = new ScrollSpace((row) => heights[row]);
  made.rows = rows;
  made.view = view;
  return made;
}

test("a log that fits browsers scrolls as it is", () => {
  const one = space(1000);
  expect(one.size).toBe(20_000);
  one.scrolled(130);
  expect([one.row, one.px, one.place]).toEqual([6, 10, 130]);
  one.scrolled(12_345);
  expect([one.row, one.px]).toEqual([617, 5]);
  expect(one.range(5)).toEqual([612, 653]);
});

test("ten million lines stay within the limit; steps are pixels, drags are proportions", () => {
  const one = space(10_000_000);
  expect(one.size).toBe(MOST);
  one.scrolled((MOST - 600) / 2);
  expect(one.row).toBeCloseTo((10_000_000 - 30) / 2, -1);
  const [row, px] = [one.row, one.px];
  one.placed(one.place);
  const bar = one.place;
  one.scrolled(bar + 100);
  expect((one.row - row) * ROW + one.px - px).toBeCloseTo(100);
  // The bar has moved farther than it should have; where it belongs is a fraction of that.
  expect(one.place - bar).toBeCloseTo((100 * (MOST - 600)) / (10_000_000 * ROW - 600), 3);
});

test("both ends are reached, by bar and by steps", () => {
  const one = space(1_000_000);
  one.scrolled(MOST - 600);
  expect([one.row, one.px, one.atEnd, one.place]).toEqual([999_970, 0, true, MOST - 600]);
  one.scrolled(0);
  expect([one.row, one.px, one.place]).toEqual([0, 0, 0]);
  one.moveBy(-50);
  expect([one.row, one.px]).toEqual([0, 0]);
  one.toEnd();
  one.moveBy(500);
  expect([one.row, one.px, one.atEnd]).toEqual([999_970, 0, true]);
});

test("a bar that ran out of room before the rows did is put back at once", () => {
  const one = space(10_000_000);
  one.scrolled(3_000);
  one.placed(50);
  expect(one.row).toBeGreaterThan(0);
  expect(one.scrolled(0)).toBe(true);
  expect(one.place).toBeGreaterThan(0);
});

test("our own placing is no movement", () => {
  const one = space(1000);
  one.scrolled(5000);
  one.placed(5000);
  expect(one.scrolled(5000)).toBe(false);
  expect(one.row).toBe(250);
});

test("rows of different heights: steps walk over them, the end is where the last one ends", () => {
  const one = space(10, 100, { 0: 60, 1: 20, 2: 90, 9: 80 });
  one.moveBy(70);
  expect([one.row, one.px]).toEqual([1, 10]);
  one.moveBy(-10);
  expect([one.row, one.px]).toEqual([1, 0]);
  one.toEnd();
  expect([one.row, one.px]).toEqual([8, 0]);
  expect(one.atEnd).toBe(true);
  one.row = 7;
  expect(one.atEnd).toBe(false);
});

test("a row is put into the middle; whether it is in sight", () => {
  const one = space(1000);
  one.toRow(500);
  expect([one.row, one.px]).toEqual([485, 10]);
  expect([one.shows(500), one.shows(485), one.shows(486), one.shows(515)]).toEqual([true, false, true, false]);
  one.toRow(3);
  expect([one.row, one.px]).toEqual([0, 0]);
  one.toRow(999);
  expect(one.atEnd).toBe(true);
});

test("rows put before the first leave the view where it was", () => {
  const one = space(300);
  one.toRow(100);
  const row = one.row;
  one.rows = 500;
  one.shift(200);
  expect(one.row).toBe(row + 200);
});

test("few rows have no end to scroll to", () => {
  const one = space(3);
  one.toEnd();
  expect([one.size, one.row, one.px, one.atEnd, one.place]).toEqual([600, 0, 0, true, 0]);
  expect(space(0).range(12)).toEqual([0, 0]);
});
