import { Search } from "lucide-react";
import type { InputHTMLAttributes, Ref } from "react";
import { cx } from "./cx";
import { Input } from "./Field";
import { Kbd } from "./Kbd";

interface SearchInputProps extends Omit<InputHTMLAttributes<HTMLInputElement>, "type" | "size"> {
  /** What it looks through: its name to those who do not see it. */
  label: string;
  /** The key that leads here, as `lib/shortcuts` writes it. */
  keys?: string;
  /** In a panel's header or among small buttons. */
  small?: boolean;
  ref?: Ref<HTMLInputElement>;
}

/** A field that narrows what is below it. `className` is about its place and width. */
export function SearchInput({ label, keys, small, className, onKeyDown, ...rest }: SearchInputProps) {
  return (
    <span className={cx("relative block max-w-full", className ?? (small ? "w-44" : "w-72 max-sm:w-full"))}>
      <Search
        aria-hidden
        className={cx("-translate-y-1/2 pointer-events-none absolute top-1/2 size-3.5 text-ink-3", small ? "left-2" : "left-2.5")}
      />
      <Input
        type="search"
        aria-label={label}
        className={small ? "!h-7 pl-7 text-xs" : "pl-8"}
        onKeyDown={(event) => {
          if (event.key === "Escape" && !event.currentTarget.value) event.currentTarget.blur();
          onKeyDown?.(event);
        }}
        {...rest}
      />
      {keys && !rest.value && (
        <span className="-translate-y-1/2 pointer-events-none absolute top-1/2 right-1.5 flex max-sm:hidden">
          <Kbd keys={keys} />
        </span>
      )}
    </span>
  );
}
