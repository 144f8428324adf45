type Translate = (key: string, options: { defaultValue: string }) => string;

/** Ids say nothing to a reader; an action is told by the state that it led to, a category by the case itself. */
const UNSAID = new Set(["unit_id", "primary_rm_id", "action", "category"]);

/** Words for the attributes of an entry of the timeline; a change is told from what to what. */
export function entryDetails(attributes: Record<string, unknown>, t: Translate): string {
  const said = Object.entries(attributes).filter(
    (attribute): attribute is [string, string | number] =>
      !UNSAID.has(attribute[0]) && (typeof attribute[1] === "string" || typeof attribute[1] === "number"),
  );
  const place = (name: string) => (name.startsWith("from_") ? 0 : name.startsWith("to_") ? 1 : 2);
  const words = said
    .sort(([one], [other]) => place(one) - place(other))
    .map(([name, value]) => ({ name, word: t(`word.${value}`, { defaultValue: String(value) }) }));
  return words
    .map(({ name, word }, position) => {
      const before = words[position - 1];
      if (before === undefined) {
        return word;
      }
      return before.name.startsWith("from_") && name.startsWith("to_") ? ` → ${word}` : ` · ${word}`;
    })
    .join("");
}
