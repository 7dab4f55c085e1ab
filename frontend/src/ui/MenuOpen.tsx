import { DropdownMenu } from "radix-ui";
import { useState } from "react";
import { cx } from "./cx";
import type { MenuProps } from "./Menu";

interface MenuOpenProps extends MenuProps {
  /** It is open from the start: for one that is loaded when it is first wanted. */
  defaultOpen?: boolean;
}

/** A menu that has been wanted. */
export default function MenuOpen({ trigger, items, align = "end", defaultOpen = false }: MenuOpenProps) {
  // Shown within the landmark or dialog that its button is in, for those who move by landmarks.
  const [home, setHome] = useState<Element | null>();
  return (
    <DropdownMenu.Root modal={false} defaultOpen={defaultOpen}>
      <DropdownMenu.Trigger
        asChild
        ref={(button: HTMLButtonElement | null) => {
          if (button) setHome(button.closest("main, aside, [role=dialog]"));
        }}
      >
        {trigger}
      </DropdownMenu.Trigger>
      {home !== undefined && (
        <DropdownMenu.Portal container={home}>
          <DropdownMenu.Content
            align={align}
            sideOffset={4}
            collisionPadding={8}
            className="z-50 max-h-(--radix-dropdown-menu-content-available-height) min-w-44 overflow-y-auto rounded-lg bg-raised p-1 shadow-over"
          >
            {items.map((item, index) =>
              item === null ? (
                // biome-ignore lint/suspicious/noArrayIndexKey: lines have nothing else to be known by
                <DropdownMenu.Separator key={index} className="my-1 h-px bg-line" />
              ) : (
                <DropdownMenu.Item
                  key={item.label}
                  disabled={item.disabled ?? false}
                  onSelect={item.onSelect}
                  className={cx(
                    "flex h-7 cursor-default select-none items-center gap-2 rounded-md px-2 text-sm outline-none data-disabled:opacity-50 data-highlighted:bg-hover max-md:h-9",
                    item.danger ? "text-bad" : "text-ink",
                  )}
                >
                  {item.icon}
                  <span className="flex-1">{item.label}</span>
                  {item.keys && <kbd className="font-sans text-2xs text-ink-3">{item.keys}</kbd>}
                </DropdownMenu.Item>
              ),
            )}
          </DropdownMenu.Content>
        </DropdownMenu.Portal>
      )}
    </DropdownMenu.Root>
  );
}
