import { Search } from "lucide-react";
import { type KeyboardEvent, type ReactNode, useRef } from "react";
import { Skeleton } from "@/ui/Empty";
import { Input } from "@/ui/Field";

export interface Option {
  id: string;
  name: string;
  /** What helps to tell it from others. */
  facts: ReactNode;
}

interface PickerProps {
  label: string;
  search: string;
  onSearch: (search: string) => void;
  options: readonly Option[] | undefined;
  onPick: (id: string) => void;
  empty: ReactNode;
}

/** A list to choose one from, found by typing; arrows walk through it. */
export function Picker({ label, search, onSearch, options, onPick, empty }: PickerProps) {
  const list = useRef<HTMLUListElement>(null);
  const buttons = (): Element[] => [...(list.current?.querySelectorAll("button") ?? [])];
  const walk = (event: KeyboardEvent<HTMLElement>) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const all = buttons();
    const at = document.activeElement ? all.indexOf(document.activeElement) : -1;
    const next = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : at + step];
    if (next instanceof HTMLElement) next.focus();
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the arrows are heard for the field and the buttons in it
    <div onKeyDown={walk} className="rounded-md border border-line">
      <div className="relative border-line border-b">
        <Search aria-hidden className="-translate-y-1/2 pointer-events-none absolute top-1/2 left-3 size-3.5 text-ink-3" />
        <Input
          type="search"
          aria-label={`Search: ${label}`}
          placeholder="Search by name or id"
          className="rounded-b-none border-0 pl-9 shadow-none"
          value={search}
          onChange={(event) => onSearch(event.target.value)}
        />
      </div>
      {options === undefined ? (
        <div className="flex flex-col gap-2 p-3">
          <Skeleton className="h-4 w-2/3" />
          <Skeleton className="h-4 w-1/2" />
        </div>
      ) : options.length === 0 ? (
        <div className="px-3 py-5 text-center text-ink-2 text-sm">{empty}</div>
      ) : (
        <ul ref={list} aria-label={label} className="max-h-56 overflow-y-auto py-1">
          {options.map((option) => (
            <li key={option.id}>
              <button
                type="button"
                onClick={() => onPick(option.id)}
                className="flex min-h-9 w-full items-center gap-3 px-3 py-1 text-left text-sm hover:bg-hover focus-visible:bg-hover focus-visible:-outline-offset-2"
              >
                <span className="min-w-0 flex-1 truncate font-medium">{option.name}</span>
                <span className="shrink-0 text-ink-3 text-xs tabular-nums">{option.facts}</span>
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** What was chosen, with a way to choose again. */
export function Chosen({ children, actions }: { children: ReactNode; actions: ReactNode }) {
  return (
    <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2 rounded-md border border-line bg-sunken px-3 py-2">
      <div className="min-w-0 text-sm">{children}</div>
      <div className="flex flex-wrap gap-1.5">{actions}</div>
    </div>
  );
}
