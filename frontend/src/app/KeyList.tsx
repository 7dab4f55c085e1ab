import { useShortcutList } from "@/lib/shortcuts";
import { Dialog } from "@/ui/Dialog";
import { Kbd } from "@/ui/Kbd";

/** The keys that work on this screen. */
export default function KeyList({ onClose }: { onClose: () => void }) {
  const shortcuts = useShortcutList();
  const groups = [...new Set(shortcuts.map((one) => one.group ?? "This screen"))];
  return (
    <Dialog open onOpenChange={(open) => !open && onClose()} title="Keys" wide>
      <div className="grid gap-x-8 gap-y-4 sm:grid-cols-2">
        {groups.map((group) => (
          <section key={group}>
            <h3 className="mb-1 font-semibold text-ink-3 text-xs">{group}</h3>
            <ul>
              {shortcuts
                .filter((one) => (one.group ?? "This screen") === group)
                .map((one) => (
                  <li key={one.keys} className="flex h-7 items-center justify-between gap-4 text-sm">
                    {one.label}
                    <Kbd keys={one.keys} />
                  </li>
                ))}
            </ul>
          </section>
        ))}
        <section>
          <h3 className="mb-1 font-semibold text-ink-3 text-xs">Lists</h3>
          <ul>
            {[
              ["Next row", "j"],
              ["Row before", "k"],
              ["Open", "Enter"],
            ].map(([label, keys]) => (
              <li key={keys} className="flex h-7 items-center justify-between gap-4 text-sm">
                {label}
                <Kbd keys={keys ?? ""} />
              </li>
            ))}
          </ul>
        </section>
      </div>
    </Dialog>
  );
}
