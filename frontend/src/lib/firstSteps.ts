/** Whether an account's first steps are shown on Home in this browser. */

const key = (account: string) => `burnish.first-steps.${account}`;

export const firstStepsShown = (account: string): boolean => localStorage.getItem(key(account)) !== "dismissed";

export function showFirstSteps(account: string, shown: boolean): void {
  if (shown) localStorage.removeItem(key(account));
  else localStorage.setItem(key(account), "dismissed");
}
