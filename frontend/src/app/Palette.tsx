import { useNavigate } from "@tanstack/react-router";
import { Command } from "cmdk";
import { Dialog } from "radix-ui";
import { useShortcutList } from "@/lib/shortcuts";
import { Kbd } from "@/ui/Kbd";
import { PLACES } from "./places";

const ITEM = "flex h-9 cursor-default select-none items-center gap-2.5 rounded-md px-2 text-sm data-[selected=true]:bg-hover";

/** Everything that can be done here, found by typing. */
export default function Palette({ onClose }: { onClose: () => void }) {
  const navigate = useNavigate();
  const shortcuts = useShortcutList();
  const run = (action: () => void) => () => {
    onClose();
    action();
  };
  return (
    <Dialog.Root open onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className="fixed inset-0 z-40 bg-veil" />
        <Dialog.Content
          aria-describedby={undefined}
          className="fixed top-[12dvh] left-1/2 z-50 w-[calc(100vw-1.5rem)] max-w-xl -translate-x-1/2 overflow-hidden rounded-lg bg-raised shadow-over"
        >
          <Dialog.Title className="sr-only">Search and do anything</Dialog.Title>
          <Command label="Search and do anything" loop>
            <Command.Input
              placeholder="Go to, create, change…"
              className="h-11 w-full border-line border-b bg-transparent px-4 text-base outline-none"
            />
            <Command.List className="max-h-[50dvh] overflow-y-auto p-1.5">
              <Command.Empty className="px-2 py-6 text-center text-ink-3 text-sm">Nothing is called that.</Command.Empty>
              <Command.Group
                heading="Go to"
                className="[&_[cmdk-group-heading]]:px-2 [&_[cmdk-group-heading]]:py-1 [&_[cmdk-group-heading]]:text-2xs [&_[cmdk-group-heading]]:text-ink-3"
              >
                {PLACES.map(({ to, label, key, icon: Icon }) => (
                  <Command.Item key={to} className={ITEM} onSelect={run(() => void navigate({ to }))}>
                    <Icon aria-hidden className="size-4 text-ink-3" />
                    <span className="flex-1">{label}</span>
                    <Kbd keys={`g ${key}`} />
                  </Command.Item>
                ))}
              </Command.Group>
              <Command.Group
                heading="Do"
                className="[&_[cmdk-group-heading]]:px-2 [&_[cmdk-group-heading]]:py-1 [&_[cmdk-group-heading]]:text-2xs [&_[cmdk-group-heading]]:text-ink-3"
              >
                {shortcuts
                  .filter((one) => one.group !== "Go to" && one.keys !== "Mod+k")
                  .map((one) => (
                    <Command.Item key={one.keys} className={ITEM} onSelect={run(one.run)}>
                      <span className="flex-1">{one.label}</span>
                      <Kbd keys={one.keys} />
                    </Command.Item>
                  ))}
              </Command.Group>
            </Command.List>
          </Command>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
