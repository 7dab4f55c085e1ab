const mac = /Mac|iPhone|iPad/.test(navigator.userAgent);

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
          {key
            .replace("Mod+", mac ? "⌘" : "Ctrl ")
            .replace("Shift+", "⇧")
            .replace(/([a-z])$/, (letter) => letter.toUpperCase())}
        </kbd>
      ))}
    </span>
  );
}
