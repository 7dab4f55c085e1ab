import { X } from "lucide-react";
import { Toast as Radix } from "radix-ui";
import { type ReactNode, useSyncExternalStore } from "react";
import { IconButton } from "./Button";
import { cx } from "./cx";

interface Message {
  id: number;
  text: ReactNode;
  mood: "good" | "bad" | "plain";
  action?: { label: string; run: () => void } | undefined;
}

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
  change([...messages.slice(-3), { id: next++, text, mood: options.mood ?? "plain", action: options.action }]);
}

export function Toasts() {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => messages,
  );
  return (
    <Radix.Provider swipeDirection="right" duration={6000}>
      {shown.map((one) => (
        <Radix.Root
          key={one.id}
          onOpenChange={(open) => !open && drop(one.id)}
          duration={one.mood === "bad" ? 12_000 : 6000}
          className={cx(
            "flex items-center gap-3 rounded-lg border bg-raised px-3 py-2 text-sm shadow-over",
            one.mood === "bad" ? "border-bad text-bad" : "border-line text-ink",
          )}
        >
          <Radix.Description className="min-w-0 flex-1 break-words">{one.text}</Radix.Description>
          {one.action && (
            <Radix.Action altText={one.action.label} asChild>
              <button type="button" className="font-semibold text-accent hover:underline" onClick={one.action.run}>
                {one.action.label}
              </button>
            </Radix.Action>
          )}
          <Radix.Close asChild>
            <IconButton label="Dismiss">
              <X aria-hidden className="size-3.5" />
            </IconButton>
          </Radix.Close>
        </Radix.Root>
      ))}
      <Radix.Viewport className="fixed right-3 bottom-3 z-60 flex w-96 max-w-[calc(100vw-1.5rem)] flex-col gap-2 outline-none" />
    </Radix.Provider>
  );
}
