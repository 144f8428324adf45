import dayjs, { type Dayjs } from "dayjs";
import type { components } from "../../api/schema";
import type { Step } from "../../shared/field-errors";
import type { Rule } from "./rule-words";

export type RuleIn = components["schemas"]["SegmentIn"]["rule"];

/** What a condition is about: holdings, account-days, movements, or one attribute of the customer. */
export const FACTS = [
  "product",
  "balance",
  "transaction",
  "kind",
  "status",
  "gender",
  "birth_year",
  "tenure_days",
  "customer_since",
  "unit_id",
] as const;
export type Fact = (typeof FACTS)[number];

/** Facts that are compared by size; the others are told by choosing from their values. */
export const ORDERED: ReadonlySet<Fact> = new Set(["birth_year", "tenure_days", "customer_since"]);

/** A condition as its form holds it; which fields count follows from what it is about and its operator. */
export interface Condition {
  fact: Fact;
  operator: string;
  value?: string | number | Dayjs | null;
  values?: string[];
  aggregate?: string;
  measure?: string | null;
  days?: number | null;
  opened_within_days?: number | null;
  open?: boolean;
  where?: {
    product_class?: string[];
    product_code?: string[];
    currency?: string | null;
    kind?: string | null;
  };
}

/** Conditions under what joins them: all of them, any of them, none of them. */
export interface Group {
  join: "and" | "or" | "not";
  rules: Part[];
}

export type Part = Group | Condition;

export function isGroup(part: Part): part is Group {
  return "join" in part;
}

/** A condition to begin with: the commonest one about a fact. */
export function blank(fact: Fact): Condition {
  switch (fact) {
    case "product":
      return { fact, operator: ">=", value: 1, open: true, where: {} };
    case "balance":
      return { fact, aggregate: "any", operator: ">=", days: 90, where: {} };
    case "transaction":
      return { fact, aggregate: "sum", operator: ">=", days: 30, where: {} };
    case "birth_year":
    case "tenure_days":
    case "customer_since":
      return { fact, operator: ">=" };
    default:
      return { fact, operator: "in", values: [] };
  }
}

/** What was really said of holdings, account-days or movements: empty fields do not restrict. */
function said<Where extends object>(where: Where | undefined): Where {
  const entries = Object.entries(where ?? {}).filter(
    ([, value]) =>
      value !== null && value !== undefined && value !== "" && (!Array.isArray(value) || value.length > 0),
  );
  return Object.fromEntries(entries) as Where;
}

function operand(condition: Condition): { value?: unknown; values?: unknown } {
  switch (condition.operator) {
    case "in":
    case "not_in":
      return { values: condition.values ?? [] };
    case "is_null":
    case "is_not_null":
      return {};
    default:
      return {
        value: dayjs.isDayjs(condition.value) ? condition.value.format("YYYY-MM-DD") : condition.value,
      };
  }
}

function leaf(condition: Condition): object {
  const { fact, operator, where } = condition;
  switch (fact) {
    case "product":
      return {
        type: fact,
        operator,
        value: condition.value,
        open: condition.open ?? true,
        opened_within_days: condition.opened_within_days ?? null,
        where: said(where),
      };
    case "balance":
    case "transaction":
      return {
        type: fact,
        aggregate: condition.aggregate,
        operator,
        value: condition.value,
        days: condition.days ?? null,
        where: said(where),
        ...(fact === "balance" && condition.measure ? { measure: condition.measure } : {}),
      };
    default:
      return { type: "attribute", name: fact, operator, ...operand(condition) };
  }
}

/** The rule that the API takes. The service checks it: a form cannot know that it is right. */
export function toRule(part: Part): RuleIn {
  if (!isGroup(part)) {
    return leaf(part) as RuleIn;
  }
  const rules = part.rules.map(toRule);
  return (
    part.join === "not" ? { type: "not", rule: { type: "or", rules } } : { type: part.join, rules }
  ) as RuleIn;
}

function condition(rule: Rule): Condition {
  if (rule.type === "attribute") {
    const { name, operator, value, values } = rule;
    if (!ORDERED.has(name) && (operator === "=" || operator === "!=")) {
      return { fact: name, operator: operator === "=" ? "in" : "not_in", values: [String(value)] };
    }
    return {
      fact: name,
      operator,
      value: name === "customer_since" && typeof value === "string" ? dayjs(value) : value,
      values: values?.map(String),
    };
  }
  const { type, ...rest } = rule as Rule & { type: "product" | "balance" | "transaction" };
  return { ...rest, fact: type } as unknown as Condition;
}

/** The form of a rule that is there; what stands alone is put into a group. */
export function fromRule(rule: Rule): Group {
  switch (rule.type) {
    case "and":
    case "or":
      return { join: rule.type, rules: rule.rules.map((one) => part(one as Rule)) };
    case "not": {
      const inner = rule.rule as Rule;
      return { join: "not", rules: inner.type === "or" ? fromRule(inner).rules : [part(inner)] };
    }
    default:
      return { join: "and", rules: [condition(rule)] };
  }
}

function part(rule: Rule): Part {
  return rule.type === "and" || rule.type === "or" || rule.type === "not" ? fromRule(rule) : condition(rule);
}

/** Where the form shows what a pointer into the rule means: the form has no step for what "none of" negates. */
export function placeInForm(steps: Step[]): Step[] {
  return steps.filter((step, position) => position === 0 || step !== "rule");
}
