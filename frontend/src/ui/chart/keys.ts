import type { Group } from "./group";
import type { Plot } from "./plot";

/** What a key does to a chart that has the focus; false where it means nothing here. */
export function pressOn(plot: Plot, group: Group, key: string, far: boolean): boolean {
  switch (key) {
    case "ArrowLeft":
      plot.move(far ? -10 : -1);
      return true;
    case "ArrowRight":
      plot.move(far ? 10 : 1);
      return true;
    case "Home":
      plot.move(Number.NEGATIVE_INFINITY);
      return true;
    case "End":
      plot.move(Number.POSITIVE_INFINITY);
      return true;
    case "+":
    case "=":
      plot.zoom(0.5);
      return true;
    case "-":
      plot.zoom(2);
      return true;
    case "0":
      group.setRange(null);
      return true;
    case "Escape":
      if (group.crosshair.step === null) return false;
      group.crosshair.move(null);
      return true;
    default:
      return false;
  }
}
