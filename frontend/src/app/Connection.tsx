import { Radio, RefreshCw, Wifi, WifiOff } from "lucide-react";
import { type Connection as State, useConnection } from "@/lib/live";
import { cx } from "@/ui/cx";

const SHOWN: Record<State, { text: string; title: string; icon: typeof Wifi; ink: string }> = {
  idle: { text: "Ready", title: "Nothing on this screen is live", icon: Wifi, ink: "text-ink-3" },
  connecting: { text: "Connecting", title: "Opening the live connection", icon: RefreshCw, ink: "text-ink-3" },
  live: { text: "Live", title: "What you see is live", icon: Radio, ink: "text-good" },
  reconnecting: {
    text: "Reconnecting",
    title: "The live connection was lost; it resumes where it was",
    icon: WifiOff,
    ink: "text-warn",
  },
  polling: { text: "Polling", title: "No live connection: asking every few seconds", icon: RefreshCw, ink: "text-warn" },
};

/** Whether what is seen is live. */
export function Connection() {
  const state = SHOWN[useConnection()];
  return (
    <span role="status" title={state.title} className={cx("inline-flex w-21 shrink-0 items-center gap-1.5 text-2xs", state.ink)}>
      <state.icon aria-hidden className="size-3" />
      {state.text}
    </span>
  );
}
