import { BellRing } from "lucide-react";
import { useState } from "react";
import { Button } from "@/ui/Button";
import { Dialog } from "@/ui/Dialog";
import { Field, Input } from "@/ui/Field";
import { DEFAULTS, LIMIT_NAMES, LIMITS, type Limits, setLimits, useLimits } from "./alarms";

/** Where alarms begin; kept in this browser. */
export function LimitSettings() {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button size="sm" tone="ghost" icon={<BellRing aria-hidden className="size-3.5" />} onClick={() => setOpen(true)}>
        Alarms
      </Button>
      {open && <LimitDialog onClose={() => setOpen(false)} />}
    </>
  );
}

function LimitDialog({ onClose }: { onClose: () => void }) {
  const limits = useLimits();
  const [texts, setTexts] = useState(() => write(limits));
  const read = (name: (typeof LIMIT_NAMES)[number]) => Number(texts[name]);
  const wrong = (name: (typeof LIMIT_NAMES)[number]) =>
    texts[name].trim() === "" || !Number.isFinite(read(name)) || read(name) < 0;
  const save = () => {
    setLimits(Object.fromEntries(LIMIT_NAMES.map((name) => [name, read(name)])) as Limits);
    onClose();
  };
  return (
    <Dialog
      open
      wide
      onOpenChange={(next) => !next && onClose()}
      title="Alarms"
      description="Where each begins, for all runs that you look at in this browser."
      footer={
        <>
          <Button onClick={() => setTexts(write(DEFAULTS))}>Defaults</Button>
          <Button tone="solid" disabled={LIMIT_NAMES.some(wrong)} onClick={save}>
            Save
          </Button>
        </>
      }
    >
      <div className="grid gap-3 sm:grid-cols-2">
        {LIMIT_NAMES.map((name) => (
          <Field
            key={name}
            label={LIMITS[name].label}
            hint={LIMITS[name].about}
            error={wrong(name) ? "A number of 0 or more." : undefined}
          >
            {(ids) => (
              <Input
                {...ids}
                inputMode="decimal"
                value={texts[name]}
                onChange={(event) => setTexts({ ...texts, [name]: event.target.value })}
              />
            )}
          </Field>
        ))}
      </div>
    </Dialog>
  );
}

const write = (limits: Limits) =>
  Object.fromEntries(LIMIT_NAMES.map((name) => [name, String(limits[name])])) as Record<(typeof LIMIT_NAMES)[number], string>;
