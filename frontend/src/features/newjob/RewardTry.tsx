import { FlaskConical } from "lucide-react";
import { useState } from "react";
import { useClient } from "urql";
import { DatasetRowsQuery } from "@/features/datasets";
import { type RewardTest, TestReward } from "@/features/rewards/documents";
import { type Sample, toInput } from "@/features/rewards/playground/samples";
import { sentence } from "@/lib/errors";
import { duration, measure } from "@/lib/format";
import { Button } from "@/ui/Button";
import { cx } from "@/ui/cx";
import { ErrorNote, Note } from "@/ui/Empty";
import { exploits, type Kind, kinds, RIGHT, samplesOf } from "./trial";

const ROWS = 6;

interface Tried {
  of: string;
  samples: Sample[];
  test: RewardTest;
}

/** The reward on rows of the chosen data, before anything is paid: what right answers earn, and what cheats do. */
export function RewardTry({ rewardId, datasetId }: { rewardId: string; datasetId: string }) {
  const client = useClient();
  const [tried, setTried] = useState<Tried | null>(null);
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const of = `${rewardId} ${datasetId}`;
  const shown = tried?.of === of ? tried : null;

  const run = async () => {
    setBusy(true);
    setProblem("");
    const read = await client
      .query(DatasetRowsQuery, { id: datasetId, first: ROWS, offset: 0 }, { requestPolicy: "network-only" })
      .toPromise();
    const samples = samplesOf(read.data?.dataset?.rows.nodes.map(({ data }) => data) ?? []);
    if (read.error || samples.length === 0) setProblem(read.error ? sentence(read.error) : "The first rows cannot be tried.");
    else {
      const { data, error } = await client
        .mutation(TestReward, { input: { id: rewardId, samples: samples.map(toInput) } })
        .toPromise();
      const test = data?.testReward.test;
      if (test) setTried({ of, samples, test });
      else setProblem(error ? sentence(error) : (data?.testReward.errors.map(({ message }) => message).join(" ") ?? ""));
    }
    setBusy(false);
  };
  return (
    <div className="flex flex-col gap-2">
      <div className="flex flex-wrap items-center gap-3">
        <Button
          size="sm"
          busy={busy}
          disabled={!datasetId}
          icon={<FlaskConical aria-hidden className="size-3.5" />}
          onClick={() => void run()}
        >
          {shown ? "Try it again" : "Try it on the data"}
        </Button>
        <span className="text-ink-3 text-xs">
          {datasetId
            ? `Scores the answers of the first ${ROWS} rows, and completions that try to cheat.`
            : "Choose a dataset first."}
        </span>
      </div>
      {problem && <ErrorNote>{problem}</ErrorNote>}
      {shown && <Result tried={shown} />}
    </div>
  );
}

function Result({ tried: { samples, test } }: { tried: Tried }) {
  const found = kinds(samples, test);
  const cheats = exploits(found);
  const right = found.find(({ label }) => label === RIGHT);
  const given = test.rewards.filter((one) => one !== null);
  const isFlat = given.length > 1 && given.every((one) => one === given[0]);
  const most = Math.max(...found.map(({ mean }) => Math.abs(mean ?? 0)), 1e-9);
  const messages = [
    ...new Set(test.errors.map(({ file, line, message }) => `${file}${line === null ? "" : `:${line}`}: ${message}`)),
  ];
  return (
    <div aria-live="polite" className="flex flex-col gap-2">
      <table className="w-full max-w-xl border-collapse text-sm">
        <thead className="sr-only">
          <tr>
            <th scope="col">Completion</th>
            <th scope="col">Mean reward</th>
          </tr>
        </thead>
        <tbody>
          {found.map((kind) => (
            <KindRow key={kind.label} kind={kind} share={Math.abs(kind.mean ?? 0) / most} isCheat={cheats.includes(kind.label)} />
          ))}
        </tbody>
      </table>
      {messages.length > 0 && (
        <ErrorNote>
          {messages.slice(0, 3).map((message) => (
            <p key={message} className="whitespace-pre-wrap font-mono text-xs">
              {message}
            </p>
          ))}
        </ErrorNote>
      )}
      {isFlat && <Note mood="warn">Everything earns {measure(given[0])}: without a difference there is nothing to learn.</Note>}
      {cheats.length > 0 && !isFlat && (
        <Note mood="warn">
          {cheats.join(" and ")} earns as much as the right answer: a model will find that sooner than the task.
        </Note>
      )}
      {right && right.mean !== null && cheats.length === 0 && messages.length === 0 && !isFlat && (
        <Note mood="good">Right answers earn more than every cheat that was tried.</Note>
      )}
      <p className="text-ink-3 text-xs tabular-nums">
        {duration(test.durationMs / 1000)} for {samples.length} completions
      </p>
    </div>
  );
}

function KindRow({ kind, share, isCheat }: { kind: Kind; share: number; isCheat: boolean }) {
  return (
    <tr>
      <th scope="row" className="h-7 w-44 text-left font-normal text-ink-2">
        {kind.label}
      </th>
      <td>
        <div className="flex items-center gap-2">
          <div aria-hidden className="h-1.5 flex-1 overflow-hidden rounded-full bg-hover">
            <div
              className={cx("h-full rounded-full", isCheat ? "bg-warn" : kind.label === RIGHT ? "bg-good" : "bg-line-strong")}
              style={{ width: `${share * 100}%` }}
            />
          </div>
          <span className={cx("w-20 text-right tabular-nums", isCheat && "text-warn")}>
            {kind.mean === null ? "no reward" : measure(kind.mean)}
          </span>
        </div>
      </td>
    </tr>
  );
}
