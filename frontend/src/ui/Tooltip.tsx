import { Tooltip as Radix } from "radix-ui";
import type { ReactNode } from "react";

/** Explains what it is on; its trigger must be focusable. */
export function Tooltip({ text, children }: { text: ReactNode; children: ReactNode }) {
  return (
    <Radix.Provider delayDuration={250}>
      <Radix.Root>
        <Radix.Trigger asChild>{children}</Radix.Trigger>
        <Radix.Portal>
          <Radix.Content
            sideOffset={5}
            className="z-60 max-w-72 rounded-md bg-solid px-2 py-1 text-solid-ink text-xs shadow-over"
          >
            {text}
          </Radix.Content>
        </Radix.Portal>
      </Radix.Root>
    </Radix.Provider>
  );
}
