import dayjs from "dayjs";
import { expect, test } from "vitest";
import { blank, fromRule, type Group, placeInForm, toRule } from "./rule-tree";
import type { Rule } from "./rule-words";

test("a group of the form is the rule that the API takes, empty filters left out", () => {
  const group: Group = {
    join: "or",
    rules: [
      {
        fact: "product",
        operator: ">=",
        value: 1,
        open: true,
        where: { product_class: ["card"], product_code: ["gold"] },
      },
      {
        fact: "balance",
        aggregate: "any",
        operator: ">=",
        value: "100000",
        days: 90,
        where: { product_class: [], currency: "" },
      },
    ],
  };
  expect(toRule(group)).toEqual({
    type: "or",
    rules: [
      {
        type: "product",
        operator: ">=",
        value: 1,
        open: true,
        opened_within_days: null,
        where: { product_class: ["card"], product_code: ["gold"] },
      },
      { type: "balance", aggregate: "any", operator: ">=", value: "100000", days: 90, where: {} },
    ],
  });
});

test("an operator takes the operand that fits it, and a date is a date", () => {
  const since = { fact: "customer_since", operator: "<", value: dayjs("2020-01-31"), values: ["x"] } as const;
  expect(toRule({ ...since, values: [...since.values] })).toEqual({
    type: "attribute",
    name: "customer_since",
    operator: "<",
    value: "2020-01-31",
  });
  expect(toRule({ fact: "gender", operator: "is_null", value: "x", values: ["x"] })).toEqual({
    type: "attribute",
    name: "gender",
    operator: "is_null",
  });
  expect(toRule({ fact: "kind", operator: "in", values: ["company"] })).toEqual({
    type: "attribute",
    name: "kind",
    operator: "in",
    values: ["company"],
  });
});

test("none of several is the negation of any of them, and is read back as such", () => {
  const group: Group = { join: "not", rules: [{ fact: "status", operator: "in", values: ["closed"] }] };
  const rule = toRule(group);
  expect(rule).toMatchObject({ type: "not", rule: { type: "or", rules: [{ name: "status" }] } });
  expect(fromRule(rule as Rule)).toEqual(group);
});

test("a rule that is opened and sent again unchanged says the same", () => {
  const rule = {
    type: "and",
    rules: [
      {
        type: "transaction",
        aggregate: "count",
        operator: ">=",
        value: "3",
        days: 30,
        where: { kind: "credit" },
      },
      {
        type: "or",
        rules: [{ type: "attribute", name: "customer_since", operator: "<", value: "2020-01-31" }],
      },
      {
        type: "balance",
        aggregate: "avg",
        measure: "lowest",
        operator: ">",
        value: "5",
        days: null,
        where: {},
      },
    ],
  };
  expect(toRule(fromRule(rule as unknown as Rule))).toEqual(rule);
});

test("a condition that stands alone is shown in a group, one value as a choice of one", () => {
  const alone = { type: "attribute", name: "gender", operator: "=", value: "female" } as unknown as Rule;
  expect(fromRule(alone)).toEqual({
    join: "and",
    rules: [{ fact: "gender", operator: "in", values: ["female"] }],
  });
});

test("an error below a negation stands at the condition that the form shows", () => {
  expect(placeInForm(["rule", "rule", "rules", 0, "value"])).toEqual(["rule", "rules", 0, "value"]);
});

test("what a new condition begins with restricts nothing yet", () => {
  expect(toRule(blank("product"))).toMatchObject({ operator: ">=", value: 1, where: {} });
});
