const mac = /Mac|iPhone|iPad/.test(navigator.userAgent);

const SIGNS: Record<string, string> = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc" };

/** A key as it is printed on keyboards: `k` is K, `ArrowLeft` is ←. */
const sign = (key: string): string => SIGNS[key] ?? (key.length === 1 ? key.toUpperCase() : key);

/** Keys as `lib/shortcuts` writes them: `g j`, `Mod+k`. */
export function Kbd({ keys }: { keys: string }) {
  return (
    <span className="inline-flex items-center gap-1">
      {keys.split(" ").map((key, index) => (
        <kbd
          // biome-ignore lint/suspicious/noArrayIndexKey: the same key may be pressed twice
          key={index}
          className="inline-flex h-5 min-w-5 items-center justify-center rounded-sm border border-line bg-sunken px-1 font-sans text-2xs text-ink-2"
        >
          {key.startsWith("Mod+") ? `${mac ? "⌘" : "Ctrl "}${sign(key.slice(4))}` : sign(key)}
        </kbd>
      ))}
    </span>
  );
}
