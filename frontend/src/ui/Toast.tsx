import { X } from "lucide-react";
import { type ReactNode, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { IconButton } from "./Button";
import { cx } from "./cx";

interface Message {
  id: number;
  text: ReactNode;
  mood: "good" | "bad" | "plain";
  action?: { label: string; run: () => void } | undefined;
}

const SHOWN_MS = 6000;
const FAILURE_SHOWN_MS = 12_000;
const AT_ONCE = 4;

let messages: readonly Message[] = [];
let next = 1;
const listeners = new Set<() => void>();

function change(to: readonly Message[]): void {
  messages = to;
  for (const listener of listeners) listener();
}

const drop = (id: number) => change(messages.filter((one) => one.id !== id));

/** Say something at the edge of the screen; an action such as Undo can hang on it. */
export function toast(text: ReactNode, options: { mood?: Message["mood"]; action?: Message["action"] } = {}): void {
  change([...messages.slice(1 - AT_ONCE), { id: next++, text, mood: options.mood ?? "plain", action: options.action }]);
}

/** What was said, read aloud as it comes; it goes by itself, but not while somebody is on it. */
export function Toasts() {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => messages,
  );
  return (
    <section
      aria-label="Notifications"
      aria-live="polite"
      className="pointer-events-none fixed right-3 bottom-3 z-60 flex w-96 max-w-[calc(100vw-1.5rem)] flex-col gap-2"
    >
      {shown.map((one) => (
        <Toast key={one.id} message={one} />
      ))}
    </section>
  );
}

function Toast({ message }: { message: Message }) {
  const { id, text, mood, action } = message;
  const [held, setHeld] = useState(false);
  const left = useRef(mood === "bad" ? FAILURE_SHOWN_MS : SHOWN_MS);
  useEffect(() => {
    if (held) return;
    const began = performance.now();
    const timer = setTimeout(() => drop(id), left.current);
    return () => {
      clearTimeout(timer);
      left.current = Math.max(1000, left.current - (performance.now() - began));
    };
  }, [id, held]);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: resting on it only keeps it there
    <div
      {...(mood === "bad" ? { role: "alert" } : {})}
      onPointerEnter={() => setHeld(true)}
      onPointerLeave={() => setHeld(false)}
      onFocus={() => setHeld(true)}
      onBlur={() => setHeld(false)}
      className={cx(
        "pointer-events-auto flex items-center gap-3 rounded-lg border bg-raised py-1.5 pr-1.5 pl-3 text-sm shadow-over",
        mood === "bad" ? "border-bad text-bad" : "border-line text-ink",
      )}
    >
      <div className="min-w-0 flex-1 break-words">{text}</div>
      {action && (
        <button
          type="button"
          className="rounded-sm px-1 font-semibold text-accent hover:underline"
          onClick={() => {
            action.run();
            drop(id);
          }}
        >
          {action.label}
        </button>
      )}
      <IconButton label="Dismiss" onClick={() => drop(id)}>
        <X aria-hidden className="size-3.5" />
      </IconButton>
    </div>
  );
}
