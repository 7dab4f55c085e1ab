import { beforeEach, expect, test, vi } from "vitest";
import { belongTo, forgetOwn, ownKey } from "./own";

beforeEach(() => {
  localStorage.clear();
  sessionStorage.clear();
});

test("what one account left is not where another looks, and the page of the first is loaded anew", () => {
  const reload = vi.fn();
  belongTo("acct_a", reload);
  expect(reload).not.toHaveBeenCalled();
  sessionStorage.setItem(ownKey("chat"), "secret plans");
  belongTo("acct_a", reload);
  belongTo("acct_b", reload);
  expect(reload).toHaveBeenCalledTimes(1);
  expect(sessionStorage.getItem(ownKey("chat"))).toBeNull();
});

test("a sign-out takes drafts along and leaves what is the browser's", () => {
  belongTo("acct_a");
  localStorage.setItem("burnish.theme", "dark");
  localStorage.setItem(ownKey("drafts"), "[]");
  sessionStorage.setItem(ownKey("chat"), "{}");
  forgetOwn();
  expect(Object.keys(localStorage)).toEqual(["burnish.theme"]);
  expect(Object.keys(sessionStorage)).toEqual([]);
});
