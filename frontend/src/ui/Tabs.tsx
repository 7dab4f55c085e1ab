import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef } from "react";
import { cx } from "./cx";

interface TabsProps<T extends string> {
  label: string;
  tabs: readonly { id: T; label: ReactNode }[];
  value: T;
  onChange: (id: T) => void;
  /** The panel of the chosen tab. */
  children: ReactNode;
  className?: string;
  panelClassName?: string;
}

/** Tabs whose choice lives in the URL; arrows move between them. */
export function Tabs<T extends string>({ label, tabs, value, onChange, children, className, panelClassName }: TabsProps<T>) {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  // Where not all fit, the chosen one is among those that show.
  // biome-ignore lint/correctness/useExhaustiveDependencies: another choice is the reason
  useEffect(() => {
    const chosen = list.current?.querySelector<HTMLElement>("[aria-selected=true]");
    if (!list.current || !chosen) return;
    const { scrollLeft, clientWidth } = list.current;
    const [from, to] = [
      chosen.offsetLeft - list.current.offsetLeft,
      chosen.offsetLeft - list.current.offsetLeft + chosen.offsetWidth,
    ];
    if (from < scrollLeft || to > scrollLeft + clientWidth)
      list.current.scrollLeft = from - (clientWidth - chosen.offsetWidth) / 2;
  }, [value]);
  const move = (event: KeyboardEvent<HTMLDivElement>) => {
    const at = tabs.findIndex((tab) => tab.id === value);
    const to =
      event.key === "ArrowRight"
        ? at + 1
        : event.key === "ArrowLeft"
          ? at - 1
          : event.key === "Home"
            ? 0
            : event.key === "End"
              ? tabs.length - 1
              : null;
    if (to === null) return;
    event.preventDefault();
    const next = tabs[(to + tabs.length) % tabs.length];
    if (!next) return;
    onChange(next.id);
    document.getElementById(`${id}-${next.id}`)?.focus();
  };
  return (
    <div className={cx("flex min-h-0 min-w-0 flex-col gap-3", className)}>
      <div
        ref={list}
        role="tablist"
        aria-label={label}
        onKeyDown={move}
        className="flex gap-1 overflow-x-auto border-line border-b"
      >
        {tabs.map((tab) => (
          <button
            key={tab.id}
            id={`${id}-${tab.id}`}
            type="button"
            role="tab"
            aria-selected={tab.id === value}
            aria-controls={`${id}-panel`}
            tabIndex={tab.id === value ? 0 : -1}
            onClick={() => onChange(tab.id)}
            className={cx(
              "-mb-px h-8 whitespace-nowrap border-b-2 px-2 font-medium text-sm transition-colors focus-visible:-outline-offset-2",
              tab.id === value ? "border-accent text-ink" : "border-transparent text-ink-3 hover:text-ink",
            )}
          >
            {tab.label}
          </button>
        ))}
      </div>
      <div
        role="tabpanel"
        id={`${id}-panel`}
        aria-labelledby={`${id}-${value}`}
        className={cx("min-h-0 min-w-0", panelClassName)}
      >
        {children}
      </div>
    </div>
  );
}
