import { useMemo, useState } from "react";
import { Button } from "@/ui/Button";
import { Dialog } from "@/ui/Dialog";
import { Checkbox, Field, Textarea } from "@/ui/Field";
import { fromJsonl, type Sample } from "./samples";

interface PasteSamplesProps {
  onClose: () => void;
  onAdd: (samples: Sample[], replace: boolean) => void;
}

const EXAMPLE = '{"prompt": "What is 2+2?", "completion": "4", "answer": "4"}';

export function PasteSamples({ onClose, onAdd }: PasteSamplesProps) {
  const [text, setText] = useState("");
  const [replace, setReplace] = useState(true);
  const { samples, problems } = useMemo(() => fromJsonl(text), [text]);
  const told = problems.slice(0, 3).map((one) => `Line ${one.line}: ${one.message}`);
  const error = problems.length ? told.join(" ") + (problems.length > 3 ? ` And ${problems.length - 3} more.` : "") : undefined;
  return (
    <Dialog
      open
      wide
      onOpenChange={(open) => !open && onClose()}
      title="Paste samples"
      description="A JSON object a line, as in a dataset: prompt, completion, and any other columns."
      footer={
        <>
          <Checkbox
            className="mr-auto self-center"
            label="Instead of those that are there"
            checked={replace}
            onChange={(event) => setReplace(event.target.checked)}
          />
          <Button onClick={onClose}>Cancel</Button>
          <Button tone="solid" disabled={samples.length === 0} onClick={() => onAdd(samples, replace)}>
            {samples.length === 1 ? "Add 1 sample" : `Add ${samples.length} samples`}
          </Button>
        </>
      }
    >
      <Field label="JSONL" error={error}>
        {(ids) => (
          <Textarea
            {...ids}
            autoFocus
            rows={10}
            spellCheck={false}
            className="font-mono text-xs"
            placeholder={EXAMPLE}
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
        )}
      </Field>
    </Dialog>
  );
}
