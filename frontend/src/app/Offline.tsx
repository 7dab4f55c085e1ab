import { CloudOff } from "lucide-react";
import { useSyncExternalStore } from "react";

const subscribe = (listener: () => void) => {
  addEventListener("online", listener);
  addEventListener("offline", listener);
  return () => {
    removeEventListener("online", listener);
    removeEventListener("offline", listener);
  };
};

/** Says that the network is away, as long as it is. */
export function Offline() {
  const online = useSyncExternalStore(subscribe, () => navigator.onLine);
  return (
    <div role="status">
      {!online && (
        <p className="flex items-center justify-center gap-2 border-line border-b bg-warn-soft px-3 py-1.5 text-warn text-xs">
          <CloudOff aria-hidden className="size-3.5 shrink-0" />
          You are offline. What you see may be old; it goes on by itself once the network is back.
        </p>
      )}
    </div>
  );
}
