import { CircleAlert, RotateCw } from "lucide-react";
import type { ReactNode } from "react";
import { Button } from "./Button";
import { cx } from "./cx";

/** Nothing here yet: what it will be for, and the next step. */
export function Empty({
  icon,
  title,
  children,
  action,
}: {
  icon?: ReactNode;
  title: string;
  children?: ReactNode;
  action?: ReactNode;
}) {
  return (
    <div className="flex flex-col items-center gap-2 px-6 py-12 text-center">
      {icon && <div className="text-ink-3 [&>svg]:size-7">{icon}</div>}
      <p className="font-semibold text-base">{title}</p>
      {children && <div className="max-w-md text-balance text-ink-2 text-sm">{children}</div>}
      {action && <div className="mt-2 flex flex-wrap justify-center gap-2">{action}</div>}
    </div>
  );
}

/** What failed, in the server's words, and a way to try again. */
export function ErrorNote({
  children,
  hint,
  onRetry,
  className,
}: {
  children: ReactNode;
  hint?: ReactNode;
  onRetry?: () => void;
  className?: string;
}) {
  return (
    <div role="alert" className={cx("flex items-start gap-2 rounded-md bg-bad-soft px-3 py-2 text-bad text-sm", className)}>
      <CircleAlert aria-hidden className="mt-0.5 size-4 shrink-0" />
      <div className="min-w-0 flex-1 break-words">
        {children}
        {hint && <div className="text-xs opacity-90">{hint}</div>}
      </div>
      {onRetry && (
        <Button size="sm" onClick={onRetry} icon={<RotateCw aria-hidden className="size-3.5" />}>
          Try again
        </Button>
      )}
    </div>
  );
}

export function Note({
  mood = "idle",
  children,
  className,
}: {
  mood?: "idle" | "warn" | "live" | "good";
  children: ReactNode;
  className?: string;
}) {
  const moods = {
    idle: "bg-idle-soft text-ink-2",
    warn: "bg-warn-soft text-warn",
    live: "bg-live-soft text-live",
    good: "bg-good-soft text-good",
  };
  return <div className={cx("rounded-md px-3 py-2 text-sm", moods[mood], className)}>{children}</div>;
}

/** Parts that appear at once, when what decides their sizes is known, so that none moves another; until then they are there unseen. */
export function Together({ ready, size, children }: { ready: boolean; size: string; children: ReactNode }) {
  return (
    <>
      {!ready && <Skeleton className={size} />}
      <div className={ready ? "contents" : "hidden"}>{children}</div>
    </>
  );
}

/** A grey block of the size that will be filled. */
export function Skeleton({ className }: { className?: string }) {
  return <div aria-hidden className={cx("animate-pulse rounded-md bg-hover", className)} />;
}
