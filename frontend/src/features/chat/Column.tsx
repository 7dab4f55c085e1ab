import { Link } from "@tanstack/react-router";
import { Scale, SlidersHorizontal, X } from "lucide-react";
import { useEffect, useLayoutEffect, useRef, useSyncExternalStore } from "react";
import { standing } from "@/features/deployments/standing";
import { Button, buttonClass, IconButton } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { cx } from "@/ui/cx";
import { Select } from "@/ui/Field";
import { Status } from "@/ui/Status";
import { Answer } from "./Answer";
import type { Conversation } from "./conversation";
import { baseOf, type Model } from "./models";
import { Question } from "./Question";
import { asked } from "./snippets";

const SAMPLES = ["What is 3 + 4?", "Think of a number and explain why you chose it.", "Say hello in three languages."];
const NEAR_PX = 48;

interface ColumnProps {
  name: string;
  models: readonly Model[];
  shown: readonly string[];
  talk: Conversation;
  onModels: (names: readonly string[]) => void;
  onSettings: () => void;
  onEdit: (ordinal: number, question: string) => void;
  onAsk: (question: string) => void;
}

/** One model and what was said with it. */
export function Column({ name, models, shown, talk, onModels, onSettings, onEdit, onAsk }: ColumnProps) {
  const turns = useSyncExternalStore(talk.subscribe, () => talk.turns(name));
  const model = models.find((one) => one.name === name);
  const serves = model?.status === "SERVING";
  const stands = model ? standing(model).status : "STOPPED";
  const own = useSyncExternalStore(talk.subscribe, () => talk.hasOwn(name));
  const scroller = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const last = turns.at(-1);
  const size = `${turns.length} ${last?.text.length ?? 0} ${last?.state}`;
  // biome-ignore lint/correctness/useExhaustiveDependencies: whatever was said moves the end
  useLayoutEffect(() => {
    const element = scroller.current;
    if (element && atEnd.current) element.scrollTop = element.scrollHeight;
  }, [size]);
  useEffect(() => {
    atEnd.current = true;
  }, []);

  const rivals = baseOf(model, models);
  const compare = rivals?.deployed && !shown.includes(rivals.deployed.name) ? rivals.deployed : null;
  let ordinal = -1;
  return (
    <section aria-label={name} className="flex min-h-0 min-w-0 flex-col rounded-lg border border-line bg-surface shadow-card">
      <header className="flex min-h-10 items-center gap-2 border-line border-b py-1 pr-1.5 pl-2">
        <Select
          aria-label="Model"
          value={name}
          onChange={(event) => onModels(shown.map((one) => (one === name ? event.target.value : one)))}
          className="!h-7 !w-auto min-w-0 font-medium"
        >
          {!model && <option value={name}>{name}</option>}
          {models.map((one) => (
            <option
              key={one.id}
              value={one.name}
              disabled={one.status !== "SERVING" || (one.name !== name && shown.includes(one.name))}
            >
              {one.name}
            </option>
          ))}
        </Select>
        {stands !== "SERVING" && (model ? <Status status={stands} /> : <Status status={stands} label="Not deployed" />)}
        <span className="flex-1" />
        {compare && shown.length < 4 && (
          <Button
            size="sm"
            tone="ghost"
            icon={<Scale aria-hidden className="size-3.5" />}
            title={`Ask ${compare.name}, its base, the same`}
            onClick={() => onModels([...shown, compare.name])}
          >
            With its base
          </Button>
        )}
        <IconButton
          label={own ? `Settings of ${name}, its own` : `Settings of ${name}`}
          className={cx(own && "text-accent")}
          onClick={onSettings}
        >
          <SlidersHorizontal aria-hidden className="size-3.5" />
        </IconButton>
        <CopyAs compact title={`Ask ${name}`} snippets={() => asked(name, talk.messages(name), talk.settings(name))} />
        {shown.length > 1 && (
          <IconButton label={`Take ${name} away`} onClick={() => onModels(shown.filter((one) => one !== name))}>
            <X aria-hidden className="size-3.5" />
          </IconButton>
        )}
      </header>
      <div
        ref={scroller}
        role="log"
        aria-label={`Conversation with ${name}`}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        tabIndex={0}
        onScroll={({ currentTarget: at }) => {
          atEnd.current = at.scrollHeight - at.scrollTop - at.clientHeight < NEAR_PX;
        }}
        className="flex min-h-0 flex-1 flex-col gap-4 overflow-y-auto p-3 focus-visible:-outline-offset-2"
      >
        {turns.length === 0 && (
          <div className="m-auto flex max-w-sm flex-col items-stretch gap-1.5 text-center">
            <p className="text-ink-3 text-sm">{shown.length > 1 ? "All of them are asked the same." : "Ask it something."}</p>
            {serves &&
              SAMPLES.map((sample) => (
                <button
                  key={sample}
                  type="button"
                  onClick={() => onAsk(sample)}
                  className="rounded-md border border-line px-3 py-1.5 text-left text-ink-2 text-sm hover:bg-hover hover:text-ink"
                >
                  {sample}
                </button>
              ))}
            {rivals && !rivals.deployed && (
              <Link to="/deployments" search={{ model: rivals.base } as never} className={buttonClass("ghost", "sm")}>
                Deploy its base, {rivals.base}, to compare
              </Link>
            )}
          </div>
        )}
        {turns.map((turn) => {
          if (turn.role === "assistant")
            return (
              <Answer
                key={turn.id}
                turn={turn}
                waking={stands === "ASLEEP" || stands === "WAKING"}
                onAgain={turn === last && serves ? () => talk.regenerate(name) : undefined}
                onStop={() => talk.stop(name)}
              />
            );
          ordinal += 1;
          const mine = ordinal;
          return <Question key={turn.id} text={turn.text} onEdit={serves ? (question) => onEdit(mine, question) : undefined} />;
        })}
      </div>
    </section>
  );
}
