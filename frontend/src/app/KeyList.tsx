import { useShortcutList } from "@/lib/shortcuts";
import { Dialog } from "@/ui/Dialog";
import { Kbd } from "@/ui/Kbd";

const LISTS = [
  { label: "Next row", keys: "j" },
  { label: "Row before", keys: "k" },
  { label: "Open", keys: "Enter" },
];

/** The keys that work on this screen. */
export default function KeyList({ onClose }: { onClose: () => void }) {
  const shortcuts = useShortcutList().filter((one) => one.keys !== "");
  const names = [...new Set(shortcuts.map((one) => one.group ?? "This screen"))];
  // What is special here comes first.
  const groups = [...names.filter((name) => !["Everywhere", "Go to"].includes(name)), "Everywhere", "Go to"].map((name) => ({
    name,
    keys: shortcuts.filter((one) => (one.group ?? "This screen") === name),
  }));
  return (
    <Dialog open onOpenChange={(open) => !open && onClose()} title="Keys" description="They rest while you type." wide>
      <div className="gap-x-10 sm:columns-2">
        {[...groups, { name: "Lists", keys: LISTS }].map(({ name, keys }) => (
          <section key={name} className="mb-4 break-inside-avoid">
            <h3 className="mb-1 font-semibold text-ink-3 text-xs">{name}</h3>
            <ul>
              {keys.map((one) => (
                <li key={`${one.keys} ${one.label}`} className="flex h-7 items-center justify-between gap-4 text-sm">
                  {one.label}
                  <Kbd keys={one.keys} />
                </li>
              ))}
            </ul>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
