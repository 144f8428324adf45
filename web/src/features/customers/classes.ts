/** What a code of a national classification stands for, by its first character, with the code beside it. */
export function classTitle(
  classification: "industry" | "occupation",
  code: string | null,
  t: (key: string, options: { defaultValue: string }) => string,
): string | null {
  if (code === null) {
    return null;
  }
  const title = t(`${classification}.${code.charAt(0)}`, { defaultValue: "" });
  return title === "" ? code : `${title} (${code})`;
}
