import { expect, test } from "vitest";
import { browserName } from "./browser";

const GECKO = "(KHTML, like Gecko)";

test.each([
  ["Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0", "Firefox on Linux"],
  [`Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 ${GECKO} Chrome/150.0 Safari/537.36`, "Chrome on macOS"],
  [`Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 ${GECKO} Chrome/150.0 Safari/537.36 Edg/150.0`, "Edge on Windows"],
  [
    `Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605 ${GECKO} Version/19 Mobile Safari/604`,
    "Safari on iOS",
  ],
  [`Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 ${GECKO} Chrome/150.0 Mobile Safari/537.36`, "Chrome on Android"],
  ["python-httpx/1.0", "python-httpx"],
  ["", "Unknown browser"],
  [null, "Unknown browser"],
])("%j is %j", (agent, name) => {
  expect(browserName(agent)).toBe(name);
});
