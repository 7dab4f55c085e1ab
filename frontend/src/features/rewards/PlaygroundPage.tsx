import { Link, useNavigate } from "@tanstack/react-router";
import { Play, RotateCcw, Save } from "lucide-react";
import { useMemo, useState } from "react";
import { useTitle } from "@/lib/page";
import { useShortcuts } from "@/lib/shortcuts";
import { text, useUrlState } from "@/lib/url";
import { Button } from "@/ui/Button";
import { CodeEditor, type Issue } from "@/ui/CodeEditor";
import { CopyAs } from "@/ui/CopyAs";
import { ErrorNote, Skeleton } from "@/ui/Empty";
import { Kbd } from "@/ui/Kbd";
import { Page, Panel } from "@/ui/Panel";
import { Badge } from "@/ui/Status";
import { toast } from "@/ui/Toast";
import { Trail } from "@/ui/Trail";
import { FORMAT_NAMES } from "./documents";
import { isChanged } from "./playground/draft";
import { RunSummary } from "./playground/RunSummary";
import { issuesOf } from "./playground/runs";
import { Samples } from "./playground/Samples";
import { SaveReward } from "./playground/SaveReward";
import { TemplatePicker } from "./playground/TemplatePicker";
import { useDraft } from "./playground/useDraft";
import { useRun } from "./playground/useRun";
import { testSnippets } from "./snippets";

const URL = { id: text(""), template: text("") };
const NONE: readonly Issue[] = [];

/** Write a reward function, and see what it gives for samples before anything is paid for. */
export default function PlaygroundPage() {
  useTitle("Reward playground");
  const navigate = useNavigate();
  const [view] = useUrlState(URL);
  const { draft, change, error } = useDraft(view.id, view.template);
  const runs = useRun();
  const [saving, setSaving] = useState(false);
  // What the storing of it found wrong, until the next run or change.
  const [refused, setRefused] = useState<readonly Issue[]>(NONE);
  const run = () => {
    if (!draft) return;
    setRefused(NONE);
    void runs.start(draft);
  };
  useShortcuts([{ keys: "Mod+Enter", label: "Run the reward function", run }]);

  const found = runs.run?.test;
  const issues = useMemo(() => [...refused, ...(found ? issuesOf(found) : [])], [refused, found]);
  const changed = draft !== null && isChanged(draft);
  const stored = draft?.base.startsWith("rf_") === true;

  const begin = () => {
    if (!draft) return;
    const { source } = draft;
    change({ source: draft.original });
    toast("Your changes were set aside.", { action: { label: "Undo", run: () => change({ source }) } });
  };

  return (
    <Page
      title="Reward playground"
      above={
        <Trail>
          <Link to="/rewards">Rewards</Link>
        </Trail>
      }
      beside={draft && changed && <Badge mood="warn">edited</Badge>}
      actions={
        <>
          {draft && <CopyAs title="Run this reward function" snippets={() => testSnippets(draft, stored && !changed)} />}
          <Button icon={<Save aria-hidden className="size-3.5" />} disabled={!draft} onClick={() => setSaving(true)}>
            Save as new
          </Button>
          <Button tone="solid" icon={<Play aria-hidden className="size-3.5" />} busy={runs.busy} disabled={!draft} onClick={run}>
            Run
            <span className="max-sm:hidden">
              <Kbd keys="Mod+Enter" />
            </span>
          </Button>
        </>
      }
    >
      {error && <ErrorNote>{error}</ErrorNote>}
      {!draft && !error && <Skeleton className="h-[32rem]" />}
      {draft && (
        <div className="grid items-start gap-4 xl:grid-cols-[minmax(0,11fr)_minmax(0,10fr)]">
          <Panel
            className="xl:sticky xl:top-4"
            title={
              stored ? (
                <>
                  <Link to="/rewards/$id" params={{ id: draft.base }} className="hover:underline">
                    {draft.name}
                  </Link>{" "}
                  <span className="font-normal text-ink-3">{FORMAT_NAMES[draft.format]}</span>
                </>
              ) : (
                draft.name
              )
            }
            actions={
              <>
                {changed && (
                  <Button size="sm" tone="ghost" icon={<RotateCcw aria-hidden className="size-3.5" />} onClick={begin}>
                    Start over
                  </Button>
                )}
                <TemplatePicker current={draft.base} />
              </>
            }
            flush
          >
            <CodeEditor
              label="Reward function, in Python"
              className="h-[28rem] rounded-t-none border-0 xl:h-[calc(100dvh-13rem)] xl:min-h-80"
              value={draft.source}
              onChange={(source) => {
                change({ source });
                setRefused(NONE);
              }}
              issues={issues}
            />
          </Panel>
          <div className="flex min-w-0 flex-col gap-4">
            <RunSummary runs={runs} />
            <Samples samples={draft.samples} onChange={(samples) => change({ samples })} runs={runs} />
          </div>
        </div>
      )}
      {draft && saving && (
        <SaveReward
          draft={draft}
          onChange={change}
          onClose={() => setSaving(false)}
          onRefused={setRefused}
          onSaved={(id) => {
            setSaving(false);
            void navigate({ to: "/rewards/$id", params: { id } });
          }}
        />
      )}
    </Page>
  );
}
