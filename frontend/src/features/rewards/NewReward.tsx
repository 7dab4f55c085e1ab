import { FileUp } from "lucide-react";
import { type ChangeEvent, type DragEvent, useId, useState } from "react";
import { Button } from "@/ui/Button";
import { CodeEditor } from "@/ui/CodeEditor";
import { cx } from "@/ui/cx";
import { Dialog } from "@/ui/Dialog";
import { ErrorNote } from "@/ui/Empty";
import { Checkbox, Field, Input, Select } from "@/ui/Field";
import { toast } from "@/ui/Toast";
import { FORMAT_CALLS, FORMAT_NAMES, FORMATS, type Format } from "./documents";
import type { Weight } from "./playground/draft";
import { TEMPLATES, type Template, templateOf } from "./playground/templates";
import { useCreateReward } from "./useCreateReward";
import { WeightsEditor, weightsInput } from "./WeightsEditor";

/** What the platform takes. */
const MAX_BYTES = 256 * 1024;

/** A file that was dropped or chosen, as it will be sent; the reason where it cannot be. */
async function readFile(file: File): Promise<{ text: string } | { problem: string }> {
  if (file.size > MAX_BYTES) return { problem: `${file.name} has more than 256 KB: a reward function is one small file.` };
  try {
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer()) };
  } catch {
    return { problem: `${file.name} is not UTF-8 text.` };
  }
}

/** A new reward function: from a starter, from a file that is dropped or chosen, or typed. */
export function NewReward({ onClose, onMade }: { onClose: () => void; onMade: (id: string) => void }) {
  const [source, setSource] = useState("");
  const [name, setName] = useState("");
  const [fileName, setFileName] = useState("reward.py");
  const [format, setFormat] = useState<Format>("TRL");
  const [weights, setWeights] = useState<readonly Weight[]>([]);
  const [random, setRandom] = useState(false);
  const [problem, setProblem] = useState<string>();
  const [over, setOver] = useState(false);
  const input = useId();
  const { create, busy, refusal } = useCreateReward();

  const take = async (file: File | undefined) => {
    if (!file) return;
    const read = await readFile(file);
    if ("problem" in read) {
      setProblem(read.problem);
      return;
    }
    setProblem(undefined);
    setSource(read.text);
    setFileName(file.name);
    setName((was) => was || file.name.replace(/\.py$/, ""));
    if (/\bdef compute_score\b/.test(read.text)) setFormat("VERL");
    else if (/\bdef reward\(\s*args\b/.test(read.text)) setFormat("MILES");
  };
  const begin = (template: Template | undefined) => {
    setProblem(undefined);
    setSource(template?.source ?? "");
    setFileName("reward.py");
    setFormat("TRL");
    if (template) setName((was) => was || template.id.replaceAll("_", "-"));
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    void take(event.dataTransfer.files[0]);
  };
  const save = async () => {
    const made = await create({
      name: name.trim(),
      source,
      format,
      fileName,
      weights: weightsInput(weights),
      allowNondeterministic: random,
    });
    if (!made) return;
    const warned = made.trial?.warnings.length ?? 0;
    toast(
      warned ? `${made.name} was saved, with ${warned === 1 ? "a warning" : `${warned} warnings`}.` : `${made.name} was saved.`,
      {
        mood: "good",
      },
    );
    onMade(made.id);
  };

  return (
    <Dialog
      open
      wide
      onOpenChange={(open) => !open && onClose()}
      title="New reward function"
      description="A Python function that scores completions. It runs in a jail without network and files, and is tried before it is saved."
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button tone="solid" busy={busy} disabled={!source.trim() || !name.trim()} onClick={() => void save()}>
            Save
          </Button>
        </>
      }
    >
      {/* biome-ignore lint/a11y/noStaticElementInteractions: dropping is one of three ways; the button below is the one for keyboards */}
      <div
        className="flex flex-col gap-3"
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
      >
        <div
          className={cx(
            "flex flex-wrap items-center justify-center gap-x-3 gap-y-1 rounded-md border border-dashed px-3 py-3 text-ink-2 text-sm",
            over ? "border-accent bg-accent-soft" : "border-line-strong",
          )}
        >
          <FileUp aria-hidden className="size-4 text-ink-3" />
          Drop a .py file here, write below, or
          <label htmlFor={input} className="cursor-pointer font-medium text-accent underline focus-within:outline-2">
            choose a file
            <input
              id={input}
              type="file"
              accept=".py,text/x-python"
              className="sr-only"
              onChange={(event: ChangeEvent<HTMLInputElement>) => void take(event.target.files?.[0])}
            />
          </label>
        </div>
        {problem && <ErrorNote>{problem}</ErrorNote>}
        <div className="grid gap-3 sm:grid-cols-3">
          <Field label="Name" error={refusal.fields.name}>
            {(ids) => (
              <Input
                {...ids}
                value={name}
                maxLength={128}
                placeholder="exact-match"
                onChange={(event) => setName(event.target.value)}
              />
            )}
          </Field>
          <Field label="Start from">
            {(ids) => (
              <Select {...ids} defaultValue="" onChange={(event) => begin(templateOf(event.target.value))}>
                <option value="">Nothing</option>
                {TEMPLATES.map((one) => (
                  <option key={one.id} value={one.id} title={one.about}>
                    {one.name}
                  </option>
                ))}
              </Select>
            )}
          </Field>
          <Field
            label="Format"
            hint={<code className="break-all font-mono text-2xs">{FORMAT_CALLS[format]}</code>}
            error={refusal.fields.format}
          >
            {(ids) => (
              <Select
                {...ids}
                value={format}
                onChange={(event) => setFormat(FORMATS.find((one) => one === event.target.value) ?? "TRL")}
              >
                {FORMATS.map((one) => (
                  <option key={one} value={one}>
                    {FORMAT_NAMES[one]}
                  </option>
                ))}
              </Select>
            )}
          </Field>
        </div>
        <CodeEditor
          label="Source of the reward function"
          className="h-72"
          value={source}
          onChange={setSource}
          issues={refusal.issues}
        />
        {refusal.fields.source && <ErrorNote hint={refusal.hint}>{refusal.fields.source}</ErrorNote>}
        {(refusal.fields[""] || refusal.fields.samples) && (
          <ErrorNote hint={refusal.hint}>{refusal.fields[""] ?? refusal.fields.samples}</ErrorNote>
        )}
        <WeightsEditor weights={weights} onChange={setWeights} error={refusal.fields.weights} />
        <Checkbox
          label="It may give different answers for the same completions"
          hint="A judge model, for instance. Else such a function is refused."
          checked={random}
          onChange={(event) => setRandom(event.target.checked)}
        />
      </div>
    </Dialog>
  );
}
