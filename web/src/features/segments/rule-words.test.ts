import { expect, test } from "vitest";
import { type Rule, ruleLines } from "./rule-words";

const t = (key: string, options?: Record<string, unknown>) => {
  const value = options?.defaultValue ?? key;
  return options?.days === undefined ? String(value) : `${key}(${options.days})`;
};

test("parts stand below what joins them, one step deeper", () => {
  const kind = { type: "attribute", name: "kind", operator: "=", value: "company" };
  const tenure = { type: "attribute", name: "tenure_days", operator: ">=", value: 365 };
  const rule = { type: "and", rules: [kind, { type: "not", rule: tenure }] } as Rule;
  expect(ruleLines(rule, t)).toEqual([
    { depth: 0, text: "rule.and" },
    { depth: 1, text: "attribute.kind = company" },
    { depth: 1, text: "rule.not" },
    { depth: 2, text: "attribute.tenure_days ≥ 365" },
  ]);
});

test("an aggregate names what it sums, its filters and its window", () => {
  const rule = {
    type: "balance",
    aggregate: "max",
    days: 180,
    operator: ">=",
    value: "50000",
    where: { product_class: ["wealth"], product_code: null },
  } as unknown as Rule;
  expect(ruleLines(rule, t)).toEqual([
    { depth: 0, text: "aggregate.max rule.balance (wealth) rule.lastDays(180) ≥ 50000" },
  ]);
});

test("an operator without a value has none after it, a list has all of its values", () => {
  const nothing = { type: "attribute", name: "gender", operator: "is_null", value: null } as unknown as Rule;
  const some = { type: "attribute", name: "kind", operator: "in", values: ["company", "institution"] };
  expect(ruleLines(nothing, t)[0]?.text).toBe("attribute.gender operator.is_null");
  expect(ruleLines(some as unknown as Rule, t)[0]?.text).toBe(
    "attribute.kind operator.in company, institution",
  );
});
