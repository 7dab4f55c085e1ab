/** What calls would name a model by: letters, digits and `._-`, from its own name. */
export const nameFrom = (model: string): string =>
  (model.split("/").at(-1) ?? "")
    .replace(/[^A-Za-z0-9._-]+/g, "-")
    .replace(/^[^A-Za-z0-9]+|-+$/g, "")
    .slice(0, 64);
