// Before the first paint, and in a file of its own because the policy allows no inline script: the theme that was chosen.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("burnish.theme");
  } catch {}
  const dark = chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
})();
