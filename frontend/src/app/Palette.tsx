import { useNavigate } from "@tanstack/react-router";
import { Command } from "cmdk";
import { ArrowRight, BookOpen, LogOut, SquareTerminal } from "lucide-react";
import { Dialog } from "radix-ui";
import { type ReactNode, useState } from "react";
import { useShortcutList } from "@/lib/shortcuts";
import { setTheme } from "@/lib/theme";
import { THEMES } from "@/lib/themes";
import { useSignOut } from "@/lib/useSignOut";
import { Kbd } from "@/ui/Kbd";
import { Status } from "@/ui/Status";
import { Ago } from "@/ui/Time";
import { useReturnFocus } from "@/ui/useReturnFocus";
import { useFind } from "./find";
import { PLACES } from "./places";

const ITEM = "flex h-9 cursor-default select-none items-center gap-2.5 rounded-md px-2 text-sm data-[selected=true]:bg-hover";
const GROUP =
  "[&_[cmdk-group-heading]]:px-2 [&_[cmdk-group-heading]]:pt-2 [&_[cmdk-group-heading]]:pb-1 [&_[cmdk-group-heading]]:font-medium [&_[cmdk-group-heading]]:text-2xs [&_[cmdk-group-heading]]:text-ink-3";

/** Everything that can be done here, and everything that has a name, found by typing. */
export default function Palette({ onClose }: { onClose: () => void }) {
  const navigate = useNavigate();
  const [typed, setTyped] = useState("");
  const { groups, fetching, failure } = useFind(typed);
  const run = (action: () => void) => () => {
    onClose();
    action();
  };
  const focus = useReturnFocus();
  return (
    <Dialog.Root open onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className="fixed inset-0 z-40 bg-veil" />
        <Dialog.Content
          {...focus}
          aria-describedby={undefined}
          className="fixed top-[8dvh] left-1/2 z-50 w-[calc(100vw-1.5rem)] max-w-xl -translate-x-1/2 overflow-hidden rounded-lg bg-raised shadow-over sm:top-[14dvh]"
        >
          <Dialog.Title className="sr-only">Search and do anything</Dialog.Title>
          <Command label="Search and do anything" loop>
            <Command.Input
              value={typed}
              onValueChange={setTyped}
              placeholder="Search by name or id, go to, do…"
              className="h-12 w-full border-line border-b bg-transparent px-4 text-base outline-none"
            />
            {groups.length === 0 && (
              <Command.Empty className="px-2 py-8 text-center text-ink-3 text-sm">
                {failure ?? (fetching ? "Searching…" : "Nothing is called that.")}
              </Command.Empty>
            )}
            <Command.List className="empty:hidden max-h-[min(60dvh,28rem)] overflow-y-auto p-1.5">
              {groups.map(({ heading, items }) => (
                <Command.Group key={heading} heading={heading} forceMount className={GROUP}>
                  {items.map((one) => (
                    <Command.Item
                      key={one.id}
                      value={one.id}
                      forceMount
                      className={ITEM}
                      onSelect={run(() => void navigate({ to: one.to }))}
                    >
                      <span className="truncate font-medium">{one.name}</span>
                      <span className="min-w-0 flex-1 truncate font-mono text-2xs text-ink-3 max-sm:invisible">{one.id}</span>
                      {one.status ? (
                        <Status status={one.status} />
                      ) : (
                        <span className="text-ink-3 text-xs">
                          <Ago at={one.createdAt} />
                        </span>
                      )}
                    </Command.Item>
                  ))}
                </Command.Group>
              ))}
              <Commands run={run} />
            </Command.List>
            <p className="flex items-center gap-3 border-line border-t px-4 py-2 text-2xs text-ink-3 max-sm:hidden">
              <Kbd keys="↑ ↓" /> choose <Kbd keys="Enter" /> open <Kbd keys="Esc" /> close
            </p>
          </Command>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

/** What this screen does, where one can go, and what is the same everywhere. */
function Commands({ run }: { run: (action: () => void) => () => void }) {
  const navigate = useNavigate();
  const signOut = useSignOut();
  const shortcuts = useShortcutList().filter((one) => one.group !== "Go to" && !["Mod+k", "/"].includes(one.keys));
  const [screen, everywhere] = [true, false].map((here) => shortcuts.filter((one) => (one.group !== "Everywhere") === here));
  const item = (label: string, action: () => void, icon: ReactNode, keys = "") => (
    <Command.Item key={`${label} ${keys}`} value={label} className={ITEM} onSelect={run(action)}>
      <span className="text-ink-3 [&>svg]:size-4">{icon}</span>
      <span className="flex-1">{label}</span>
      {keys && <Kbd keys={keys} />}
    </Command.Item>
  );
  const open = (address: string) => () => void window.open(address, "_blank", "noopener");
  return (
    <>
      {screen && screen.length > 0 && (
        <Command.Group heading="On this screen" className={GROUP}>
          {screen.map((one) => item(one.label, one.run, <ArrowRight aria-hidden />, one.keys))}
        </Command.Group>
      )}
      <Command.Group heading="Go to" className={GROUP}>
        {PLACES.map(({ to, label, key, icon: Icon }) =>
          item(label, () => void navigate({ to }), <Icon aria-hidden />, `g ${key}`),
        )}
      </Command.Group>
      <Command.Group heading="Everywhere" className={GROUP}>
        {everywhere?.map((one) => item(one.label, one.run, <ArrowRight aria-hidden />, one.keys))}
        {THEMES.map(({ id, label, icon: Icon }) =>
          item(`Theme: ${label.toLowerCase()}`, () => setTheme(id), <Icon aria-hidden />),
        )}
        {item("GraphQL explorer", open("/graphql"), <SquareTerminal aria-hidden />)}
        {item("REST reference", open("/docs"), <BookOpen aria-hidden />)}
        {item("Sign out", () => void signOut(), <LogOut aria-hidden />)}
      </Command.Group>
    </>
  );
}
