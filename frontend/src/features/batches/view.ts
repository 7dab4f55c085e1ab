/** Which outcomes are shown, and which line is open: in the address. */
import { choice, integer, text } from "@/lib/url";

export const SHOWN = ["all", "answered", "failed"] as const;
export const VIEW = { show: choice(SHOWN, "all"), code: text(), deployment: text(), line: integer(null) };
