import { useNavigate } from "@tanstack/react-router";
import { useEffect } from "react";
import { onSignedOut } from "./session";

/** Go to the sign-in page once an answer says that nobody is signed in, and come back to the same place. */
export function useSignInWhenNeeded(): void {
  const navigate = useNavigate();
  useEffect(
    () =>
      onSignedOut(() => {
        // Several answers may say so, one after the other: the first has led there already.
        if (location.pathname === "/sign-in") return;
        void navigate({ to: "/sign-in", search: { to: location.pathname + location.search + location.hash }, replace: true });
      }),
    [navigate],
  );
}
