import { useMutation } from "urql";
import { sentence } from "@/lib/errors";
import { graphql } from "@/lib/graphql";
import { forgetOwn } from "@/lib/own";
import { toast } from "@/ui/Toast";

const SignOutMutation = graphql(`
  mutation SignOut {
    signOut(input: {}) {
      errors {
        message
      }
    }
  }
`);

/** End this browser's session. The page is loaded anew, so that nothing of the account stays in memory. */
export function useSignOut(): () => Promise<void> {
  const [, run] = useMutation(SignOutMutation);
  return async () => {
    const { data, error } = await run({});
    const refused = data?.signOut.errors.map((one) => one.message).join(" ");
    if (error || refused) toast(refused || (error && sentence(error)), { mood: "bad" });
    else {
      forgetOwn();
      location.assign("/sign-in");
    }
  };
}
