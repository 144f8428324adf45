import type { Answer } from "../../api/types";

export type Rule = Answer<"/api/v1/segments/{segment_id}">["rule"];
type Translate = (key: string, options?: Record<string, unknown>) => string;

const SIGNS: Record<string, string> = { "=": "=", "!=": "≠", "<": "<", "<=": "≤", ">": ">", ">=": "≥" };

function operand(rule: { value?: unknown; values?: unknown }, t: Translate): string {
  const values = Array.isArray(rule.values) ? rule.values : [rule.value ?? ""];
  return values.map((value) => t(`word.${value}`, { defaultValue: String(value) })).join(", ");
}

function filters(where: Record<string, unknown>, t: Translate): string {
  const words = Object.values(where)
    .filter((value) => value !== null)
    .flat()
    .map((value) => t(`word.${String(value)}`, { defaultValue: String(value) }));
  return words.length === 0 ? "" : ` (${words.join(", ")})`;
}

/** A rule in words, one line per condition, parts indented below what joins them. */
export function ruleLines(rule: Rule, t: Translate, depth = 0): { depth: number; text: string }[] {
  switch (rule.type) {
    case "and":
    case "or":
      return [
        { depth, text: t(`rule.${rule.type}`) },
        ...rule.rules.flatMap((part) => ruleLines(part as Rule, t, depth + 1)),
      ];
    case "not":
      return [{ depth, text: t("rule.not") }, ...ruleLines(rule.rule as Rule, t, depth + 1)];
    case "attribute":
      return [
        {
          depth,
          text: `${t(`attribute.${rule.name}`)} ${SIGNS[rule.operator] ?? t(`operator.${rule.operator}`)} ${operand(rule, t)}`.trim(),
        },
      ];
    case "product": {
      const product = `${t("rule.product")}${filters(rule.where, t)}`;
      return [{ depth, text: `${product} ${SIGNS[rule.operator]} ${rule.value}` }];
    }
    case "balance":
    case "transaction": {
      const window = rule.days === null ? t("rule.ever") : t("rule.lastDays", { days: rule.days });
      const what = `${t(`rule.${rule.type}`)}${filters(rule.where, t)}`;
      return [
        {
          depth,
          text: `${t(`aggregate.${rule.aggregate}`)} ${what} ${window} ${SIGNS[rule.operator]} ${rule.value}`,
        },
      ];
    }
  }
}
