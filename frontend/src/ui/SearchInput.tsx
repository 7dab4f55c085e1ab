import { Search } from "lucide-react";
import type { KeyboardEvent, Ref } from "react";
import { useTyped } from "@/lib/typed";
import { cx } from "./cx";
import { Input } from "./Field";
import { Kbd } from "./Kbd";

interface SearchInputProps {
  label: string;
  placeholder?: string;
  value: string;
  /** Told when the hand rests, or at Enter. */
  onChange: (text: string) => void;
  /** 0 where nothing is asked of the server. */
  restMs?: number;
  small?: boolean;
  /** The key that leads here, shown as long as nothing is typed. */
  keys?: string;
  /** Its place and width. */
  className?: string | undefined;
  ref?: Ref<HTMLInputElement> | undefined;
}

/** A field to search by: what it searches is kept elsewhere, in the address most of the time. */
export function SearchInput(props: SearchInputProps) {
  const { label, placeholder = label, value, onChange, restMs, small = false, keys, className, ref } = props;
  const { text, type, settle } = useTyped(value, onChange, restMs);
  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>) => {
    if (event.key === "Enter") settle();
    else if (event.key === "Escape" && text === "") event.currentTarget.blur();
  };
  return (
    <span className={cx("relative block max-w-full", className ?? (small ? "w-44" : "w-72 max-sm:w-full"))}>
      <Search aria-hidden className="-translate-y-1/2 pointer-events-none absolute top-1/2 left-2 size-3.5 text-ink-3" />
      <Input
        {...(ref ? { ref } : {})}
        type="search"
        aria-label={label}
        placeholder={placeholder}
        spellCheck={false}
        className={small ? "h-7! pl-7 text-xs" : "pl-7"}
        value={text}
        onChange={(event) => type(event.target.value)}
        onKeyDown={onKeyDown}
      />
      {keys && text === "" && (
        <span className="-translate-y-1/2 pointer-events-none absolute top-1/2 right-1.5 max-sm:hidden">
          <Kbd keys={keys} />
        </span>
      )}
    </span>
  );
}
