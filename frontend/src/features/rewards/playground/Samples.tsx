import { ClipboardPaste, Plus, ShieldAlert } from "lucide-react";
import { useState } from "react";
import { count } from "@/lib/format";
import { Button } from "@/ui/Button";
import { Empty } from "@/ui/Empty";
import { Panel } from "@/ui/Panel";
import { toast } from "@/ui/Toast";
import { PasteSamples } from "./PasteSamples";
import { PROBE_LABELS, probes } from "./probes";
import { delta, fingerprint, scaleOf } from "./runs";
import { SampleCard } from "./SampleCard";
import { blank, MAX_SAMPLES, newSampleKey, type Sample } from "./samples";
import type { Runs } from "./useRun";

interface SamplesProps {
  samples: readonly Sample[];
  onChange: (samples: readonly Sample[]) => void;
  runs: Runs;
}

/** What is scored: edited, pasted, or made up to find what the reward lets through. */
export function Samples({ samples, onChange, runs: { run, before } }: SamplesProps) {
  const [pasting, setPasting] = useState(false);
  const scale = run ? scaleOf(run.test) : 0;
  const put = (next: readonly Sample[]) => {
    if (next.length > MAX_SAMPLES) toast(`At most ${MAX_SAMPLES} samples are scored at once; the others were left out.`);
    onChange(next.slice(0, MAX_SAMPLES));
  };
  const probe = () => {
    const [original] = samples;
    if (!original) return;
    put([...samples.filter((one) => !PROBE_LABELS.includes(one.label)), ...probes(original)]);
  };
  const remove = (sample: Sample) => {
    const was = samples;
    onChange(samples.filter((one) => one.key !== sample.key));
    toast("Sample removed.", { action: { label: "Undo", run: () => onChange(was) } });
  };
  return (
    <Panel
      title={
        <>
          Samples <span className="font-normal text-ink-3">{count(samples.length)}</span>
        </>
      }
      actions={
        <>
          <Button
            size="sm"
            tone="ghost"
            icon={<ShieldAlert aria-hidden className="size-3.5" />}
            disabled={samples.length === 0}
            title="Empty, answer dump, prompt copy, tag spam, ten times the length: made from the first sample"
            onClick={probe}
          >
            Adversarial probes
          </Button>
          <Button
            size="sm"
            tone="ghost"
            icon={<ClipboardPaste aria-hidden className="size-3.5" />}
            onClick={() => setPasting(true)}
          >
            Paste JSONL
          </Button>
          <Button size="sm" icon={<Plus aria-hidden className="size-3.5" />} onClick={() => put([...samples, blank()])}>
            Add
          </Button>
        </>
      }
      flush
    >
      {samples.length === 0 ? (
        <Empty title="No samples" action={<Button onClick={() => put([blank()])}>Add a sample</Button>}>
          Without any, made-up completions are scored. A sample is a prompt, a completion, and the other columns of its row.
        </Empty>
      ) : (
        <ol className="flex flex-col gap-2 p-2">
          {samples.map((sample, index) => (
            <SampleCard
              key={sample.key}
              index={index}
              sample={sample}
              scored={run?.scores.get(sample.key)}
              change={delta(run, before, sample.key)}
              old={run?.texts.has(sample.key) === true && run.texts.get(sample.key) !== fingerprint(sample)}
              scale={scale}
              onChange={(part) => onChange(samples.map((one) => (one.key === sample.key ? { ...one, ...part } : one)))}
              onDuplicate={() =>
                put(samples.flatMap((one) => (one.key === sample.key ? [one, { ...one, key: newSampleKey() }] : [one])))
              }
              onRemove={() => remove(sample)}
            />
          ))}
        </ol>
      )}
      {pasting && (
        <PasteSamples
          onClose={() => setPasting(false)}
          onAdd={(found, replace) => {
            put(replace ? found : [...samples, ...found]);
            setPasting(false);
          }}
        />
      )}
    </Panel>
  );
}
