/** What this browser keeps of an account's work. Whoever signs in as another account sees none of it. */

const OWNER = "burnish.account";
const prefix = (account: string) => `burnish.own.${account}.`;
const owner = (): string => localStorage.getItem(OWNER) ?? "";

/** Where something of the account that is signed in is kept, in either storage. */
export const ownKey = (name: string): string => prefix(owner()) + name;

/** Said once it is known who is signed in. What a page of another account has in memory goes with a reload. */
export function belongTo(account: string, reload: () => void = () => location.reload()): void {
  const was = owner();
  if (was === account) return;
  localStorage.setItem(OWNER, account);
  if (was !== "") reload();
}

/** At the sign-out: drafts and conversations go with the session. */
export function forgetOwn(): void {
  for (const storage of [localStorage, sessionStorage])
    for (const key of Object.keys(storage)) if (key.startsWith(prefix(owner()))) storage.removeItem(key);
  localStorage.removeItem(OWNER);
}

/** Another tab signed in as somebody else: this one is theirs, too, by its cookie. */
export function watchOwner(): void {
  const mine = { account: owner() };
  addEventListener("storage", ({ key, newValue }) => {
    if (key !== OWNER || newValue === null) return;
    if (mine.account !== "" && mine.account !== newValue) location.reload();
    mine.account = newValue;
  });
}
