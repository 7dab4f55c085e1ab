import {
  Ban,
  CircleCheck,
  CircleDashed,
  CircleDot,
  CirclePause,
  CircleX,
  Hourglass,
  Loader,
  Moon,
  Square,
  TimerOff,
  TriangleAlert,
} from "lucide-react";
import type { ComponentType } from "react";
import { words } from "@/lib/format";
import { cx } from "./cx";

export type Mood = "good" | "warn" | "bad" | "live" | "idle";

const INK: Record<Mood, string> = { good: "text-good", warn: "text-warn", bad: "text-bad", live: "text-live", idle: "text-idle" };
const SOFT: Record<Mood, string> = {
  good: "bg-good-soft text-good",
  warn: "bg-warn-soft text-warn",
  bad: "bg-bad-soft text-bad",
  live: "bg-live-soft text-live",
  idle: "bg-idle-soft text-idle",
};

type Icon = ComponentType<{ className?: string; "aria-hidden"?: boolean }>;

/** Jobs, deployments, replicas, batches: each status is an icon, a word and a colour. */
const KNOWN: Record<string, { mood: Mood; icon: Icon; moves?: boolean }> = {
  QUEUED: { mood: "idle", icon: CircleDashed },
  PROVISIONING: { mood: "live", icon: Loader, moves: true },
  STARTING: { mood: "live", icon: Loader, moves: true },
  PENDING: { mood: "idle", icon: CircleDashed },
  PULLING: { mood: "live", icon: Loader, moves: true },
  LOADING: { mood: "live", icon: Loader, moves: true },
  WARMING: { mood: "live", icon: Loader, moves: true },
  WAKING: { mood: "live", icon: Loader, moves: true },
  VALIDATING: { mood: "live", icon: Loader, moves: true },
  IN_PROGRESS: { mood: "live", icon: CircleDot },
  SCORING: { mood: "live", icon: Loader, moves: true },
  FINALIZING: { mood: "live", icon: Loader, moves: true },
  CANCELLING: { mood: "warn", icon: Hourglass },
  EXPIRED: { mood: "warn", icon: TimerOff },
  DRAINING: { mood: "warn", icon: Hourglass },
  PAUSED: { mood: "idle", icon: CirclePause },
  ASLEEP: { mood: "idle", icon: Moon },
  REPLACED: { mood: "idle", icon: CircleCheck },
  RUNNING: { mood: "live", icon: CircleDot },
  SERVING: { mood: "good", icon: CircleDot },
  READY: { mood: "good", icon: CircleDot },
  COMPLETED: { mood: "good", icon: CircleCheck },
  FAILED: { mood: "bad", icon: CircleX },
  CANCELLED: { mood: "idle", icon: Ban },
  STOPPED: { mood: "idle", icon: Square },
  UNHEALTHY: { mood: "warn", icon: TriangleAlert },
};

export function Status({ status, label, className }: { status: string; label?: string; className?: string }) {
  const { mood, icon: Icon, moves } = KNOWN[status.toUpperCase()] ?? { mood: "idle" as const, icon: CircleDashed };
  return (
    <span
      className={cx("inline-flex items-center gap-1.5 whitespace-nowrap align-middle font-medium text-xs", INK[mood], className)}
    >
      <Icon aria-hidden className={cx("size-3.5", moves && "animate-spin")} />
      {label ?? words(status)}
    </span>
  );
}

export function Badge({
  mood = "idle",
  children,
  className,
  title,
}: {
  mood?: Mood;
  children: React.ReactNode;
  className?: string;
  title?: string;
}) {
  return (
    <span
      title={title}
      className={cx(
        "inline-flex items-center gap-1 whitespace-nowrap rounded-sm align-middle px-1.5 py-px font-medium text-2xs",
        SOFT[mood],
        className,
      )}
    >
      {children}
    </span>
  );
}
