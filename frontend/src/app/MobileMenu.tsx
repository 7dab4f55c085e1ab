import { Dialog } from "radix-ui";
import { useReturnFocus } from "@/ui/useReturnFocus";
import { SidebarContent } from "./Sidebar";

/** The sidebar as a drawer, where there is no room for it. */
export default function MobileMenu({ onClose, onSearch }: { onClose: () => void; onSearch: () => void }) {
  const focus = useReturnFocus();
  return (
    <Dialog.Root open onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className="fixed inset-0 z-30 bg-veil" />
        <Dialog.Content
          {...focus}
          aria-describedby={undefined}
          className="fixed inset-y-0 left-0 z-40 flex w-64 max-w-[85vw] flex-col bg-surface shadow-over outline-none"
        >
          <Dialog.Title className="sr-only">Menu</Dialog.Title>
          <SidebarContent onClose={onClose} onSearch={onSearch} />
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
