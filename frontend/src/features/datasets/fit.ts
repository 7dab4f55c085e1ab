/** What the rows of a dataset are good for, in words. */
import { count, counted, measure, methodName } from "@/lib/format";
import type { Statistics } from "./documents";

type Clips = NonNullable<Statistics["clips"]>;
type Fits = NonNullable<Statistics["methods"]>;

/** How many shapes are named; the others are counted. */
const NAMED = 3;

/** `12 clips of 49 to 81 frames: 720×480 at 8 fps, …`. */
export function clipsText({ rowCount, minFrames, maxFrames, shapes }: Clips): string {
  const frames = minFrames === maxFrames ? counted(minFrames, "frame") : `${count(minFrames)} to ${counted(maxFrames, "frame")}`;
  const named = shapes
    .slice(0, NAMED)
    .map(({ width, height, fps }) => `${width}×${height}${fps === null ? "" : ` at ${measure(fps)} fps`}`);
  const rest = shapes.length > NAMED ? [`${shapes.length - NAMED} more shapes`] : [];
  return `${counted(Number(rowCount), "clip")} of ${frames}: ${[...named, ...rest].join(", ")}.`;
}

/** The methods that all of its rows serve; a job takes no dataset of which some do not. */
export const servedBy = (fits: Fits, rows: number): string[] =>
  fits.filter((fit) => rows > 0 && Number(fit.rowCount) === rows).map((fit) => methodName(fit.method));

/** Where some rows serve a method and others do not: how many, and the first that does not. */
export function partly(fits: Fits, rows: number): string[] {
  return fits
    .filter((fit) => Number(fit.rowCount) > 0 && Number(fit.rowCount) < rows)
    .map(({ method, rowCount, issues: [first] }) => {
      const where = first ? `: ${first.line === null ? "" : `line ${count(first.line)}, `}${first.message}` : "";
      return `${count(rowCount)} of ${count(rows)} rows serve ${methodName(method)}${where}`;
    });
}
