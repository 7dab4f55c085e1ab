import { X } from "lucide-react";
import { Dialog } from "radix-ui";
import { useEffect, useState } from "react";
import { IconButton } from "@/ui/Button";
import { useReturnFocus } from "@/ui/useReturnFocus";
import type { MetricStore } from "./columns";
import { type Look, MetricChart } from "./MetricChart";
import type { ChartSpec } from "./section";

const AROUND = 132;

/** One chart over the whole screen. */
export function Enlarged({
  store,
  spec,
  look,
  onClose,
}: {
  store: MetricStore;
  spec: ChartSpec;
  look: Look;
  onClose: () => void;
}) {
  const focus = useReturnFocus();
  const height = useHeight() - AROUND;
  return (
    <Dialog.Root open onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className="fixed inset-0 z-40 bg-veil" />
        <Dialog.Content
          {...focus}
          aria-describedby={undefined}
          className="fixed inset-3 z-50 flex flex-col rounded-lg bg-surface p-4 shadow-over"
        >
          <div className="flex items-center justify-between">
            <Dialog.Title className="font-semibold text-base">{spec.title}</Dialog.Title>
            <Dialog.Close asChild>
              <IconButton label="Close">
                <X aria-hidden className="size-4" />
              </IconButton>
            </Dialog.Close>
          </div>
          <MetricChart store={store} spec={spec} look={look} height={Math.max(160, height)} />
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function useHeight(): number {
  const [height, setHeight] = useState(innerHeight);
  useEffect(() => {
    const read = () => setHeight(innerHeight);
    addEventListener("resize", read);
    return () => removeEventListener("resize", read);
  }, []);
  return height;
}
