import { useState } from "react";
import { Button } from "@/ui/Button";
import { Dialog } from "@/ui/Dialog";
import { ErrorNote } from "@/ui/Empty";
import { Textarea } from "@/ui/Field";
import { Tabs } from "@/ui/Tabs";
import type { Hyperparameter } from "./documents";
import { type Body, type Draft, NoJob } from "./draft";
import { fromJson, fromToml, toToml } from "./toml";

const FORMATS = ["json", "toml"] as const;
type Format = (typeof FORMATS)[number];
const NAMES = { json: "JSON", toml: "job.toml" };

const write = (body: Body, format: Format): string => (format === "json" ? JSON.stringify(body, null, 2) : toToml(body));

interface AsTextProps {
  body: Body;
  specsOf: (method: string) => readonly Hyperparameter[];
  onApply: (draft: Draft) => void;
  onClose: () => void;
}

/** The job as text: to read, to change, or to paste one over. */
export function AsText({ body, specsOf, onApply, onClose }: AsTextProps) {
  const [format, setFormat] = useState<Format>("json");
  const [text, setText] = useState(() => write(body, "json"));
  const [problem, setProblem] = useState("");
  const read = (): Draft | null => {
    const from = format === "json" ? fromJson : fromToml;
    try {
      // The method says which hyperparameters there are, and the text says the method.
      const { method } = from(text, []);
      return from(text, specsOf(method));
    } catch (error) {
      if (!(error instanceof NoJob)) throw error;
      setProblem(error.message);
      return null;
    }
  };
  const apply = () => {
    const draft = read();
    if (!draft) return;
    onApply(draft);
    onClose();
  };
  return (
    <Dialog
      open
      wide
      onOpenChange={(open) => !open && onClose()}
      title="The job as text"
      description="As REST takes it, or as a job file of the command line. What you change here changes the form."
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button tone="solid" onClick={apply}>
            Use it
          </Button>
        </>
      }
    >
      <Tabs
        label="Format"
        tabs={FORMATS.map((id) => ({ id, label: NAMES[id] }))}
        value={format}
        onChange={(to) => {
          setFormat(to);
          setText(write(body, to));
          setProblem("");
        }}
      >
        <div className="flex flex-col gap-2">
          <Textarea
            aria-label={`The job as ${NAMES[format]}`}
            className="min-h-80 font-mono text-xs leading-5"
            value={text}
            spellCheck={false}
            onChange={(event) => {
              setText(event.target.value);
              setProblem("");
            }}
          />
          {problem && <ErrorNote>{problem}</ErrorNote>}
        </div>
      </Tabs>
    </Dialog>
  );
}
