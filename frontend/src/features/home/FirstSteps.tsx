import { Link } from "@tanstack/react-router";
import { ArrowRight, Check, Circle } from "lucide-react";
import { useState } from "react";
import { useQuery } from "urql";
import { firstStepsShown, showFirstSteps } from "@/lib/firstSteps";
import { Button, buttonClass } from "@/ui/Button";
import { Copyable } from "@/ui/Copy";
import { cx } from "@/ui/cx";
import { Panel } from "@/ui/Panel";
import { Progress } from "@/ui/Progress";
import { toast } from "@/ui/Toast";
import { type Step, StepsQuery, steps } from "./steps";

/** What to do first, ticked off by what is there; gone once all of it is done, or when it is sent away. */
export function FirstSteps() {
  const [{ data }] = useQuery({ query: StepsQuery });
  const [, changed] = useState(0);
  const [opened, setOpened] = useState<string>();
  if (!data || !firstStepsShown(data.viewer.account.id)) return null;
  const account = data.viewer.account.id;
  const all = steps(data);
  const done = all.filter((step) => step.done).length;
  if (done === all.length) return null;
  const next = all.find((step) => step.id === opened) ?? all.find((step) => !step.done);
  const show = (shown: boolean) => {
    showFirstSteps(account, shown);
    changed((times) => times + 1);
  };
  return (
    <Panel
      title={
        <span className="flex items-center gap-3 whitespace-nowrap">
          First steps
          <Progress fraction={done / all.length} label="First steps done" className="w-20" />
          <span className="font-normal text-ink-3 text-xs tabular-nums">
            {done} of {all.length}
          </span>
        </span>
      }
      actions={
        <Button
          size="sm"
          tone="ghost"
          onClick={() => {
            show(false);
            toast("The first steps are gone from here. Settings, Appearance brings them back.", {
              action: { label: "Undo", run: () => show(true) },
            });
          }}
        >
          Dismiss
        </Button>
      }
      flush
    >
      <div className="grid md:grid-cols-[minmax(14rem,2fr)_3fr]">
        <ol className="grid grid-cols-2 gap-px p-2 md:grid-cols-1">
          {all.map((step) => (
            <StepLine key={step.id} step={step} current={step.id === next?.id} onOpen={() => setOpened(step.id)} />
          ))}
        </ol>
        {next && <Detail step={next} />}
      </div>
    </Panel>
  );
}

function StepLine({ step, current, onOpen }: { step: Step; current: boolean; onOpen: () => void }) {
  return (
    <li>
      <button
        type="button"
        aria-current={current ? "step" : undefined}
        onClick={onOpen}
        className={cx(
          "flex h-8 w-full items-center gap-2.5 rounded-md px-2 text-left text-sm hover:bg-hover",
          current && "bg-hover font-medium",
        )}
      >
        {step.done ? (
          <Check role="img" aria-label="Done" className="size-4 shrink-0 text-good" />
        ) : (
          <Circle role="img" aria-label="To do" className={cx("size-4 shrink-0", current ? "text-accent" : "text-ink-3")} />
        )}
        <span className={cx("truncate", step.done && "text-ink-3")}>{step.title}</span>
      </button>
    </li>
  );
}

function Detail({ step }: { step: Step }) {
  return (
    <div className="flex flex-col items-start justify-center gap-3 border-line bg-sunken px-6 py-6 max-md:border-t md:rounded-br-lg md:border-l">
      <div className="flex flex-col gap-1">
        <h3 className="font-semibold text-lg tracking-tight">{step.title}</h3>
        <p className="max-w-prose text-balance text-ink-2 text-sm">{step.why}</p>
      </div>
      <Link to={step.to} {...(step.search ? { search: step.search } : {})} className={buttonClass(step.done ? "plain" : "solid")}>
        {step.action}
        <ArrowRight aria-hidden className="size-3.5" />
      </Link>
      {step.command && (
        <p className="flex max-w-full items-center gap-2 text-ink-3 text-xs">
          or <Copyable text={step.command} />
        </p>
      )}
    </div>
  );
}
