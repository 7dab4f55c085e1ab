import { LoaderCircle } from "lucide-react";
import type { ButtonHTMLAttributes, ReactNode, Ref } from "react";
import { cx } from "./cx";

export type Tone = "solid" | "plain" | "ghost" | "danger";
export type Size = "sm" | "md";

const TONES: Record<Tone, string> = {
  solid: "bg-solid text-solid-ink hover:bg-solid-hover",
  plain: "border border-line bg-surface text-ink shadow-card hover:bg-hover",
  ghost: "text-ink-2 hover:bg-hover hover:text-ink",
  danger: "border border-line bg-surface text-bad hover:bg-bad-soft",
};
const SIZES: Record<Size, string> = { sm: "h-7 px-2 text-xs gap-1.5", md: "h-8 px-3 text-sm gap-2" };

/** The looks of a button, for links that should have them. */
export const buttonClass = (tone: Tone = "plain", size: Size = "md", square = false): string =>
  cx(
    "inline-flex shrink-0 select-none items-center justify-center whitespace-nowrap rounded-md font-medium transition-colors",
    "disabled:cursor-not-allowed disabled:opacity-55 aria-disabled:cursor-not-allowed aria-disabled:opacity-55",
    TONES[tone],
    square ? (size === "sm" ? "size-7" : "size-8") : SIZES[size],
  );

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  tone?: Tone;
  size?: Size;
  icon?: ReactNode;
  /** What it began is not over: it cannot be pressed again. */
  busy?: boolean;
  ref?: Ref<HTMLButtonElement>;
}

export function Button({ tone = "plain", size = "md", icon, busy = false, children, className, disabled, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      className={cx(buttonClass(tone, size), className)}
      disabled={disabled || busy}
      aria-busy={busy || undefined}
      {...rest}
    >
      {busy ? <LoaderCircle aria-hidden className="size-3.5 animate-spin" /> : icon}
      {children}
    </button>
  );
}

interface IconButtonProps extends Omit<ButtonProps, "icon" | "children" | "aria-label"> {
  /** What it does; read aloud, and shown by the tooltip of the browser. */
  label: string;
  children: ReactNode;
}

export function IconButton({
  label,
  tone = "ghost",
  size = "sm",
  busy = false,
  children,
  className,
  disabled,
  ...rest
}: IconButtonProps) {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      className={cx(buttonClass(tone, size, true), className)}
      disabled={disabled || busy}
      {...rest}
    >
      {busy ? <LoaderCircle aria-hidden className="size-3.5 animate-spin" /> : children}
    </button>
  );
}
