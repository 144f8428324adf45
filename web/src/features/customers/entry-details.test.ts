import { expect, test } from "vitest";
import { entryDetails } from "./entry-details";

const t = (key: string, { defaultValue }: { defaultValue: string }) =>
  ({ "word.vip": "VIP", "word.preferred": "preferred" })[key] ?? defaultValue;

test("a change is told from what to what, in whatever order the attributes came", () => {
  expect(entryDetails({ to_tier: "vip", from_tier: "preferred" }, t)).toBe("preferred → VIP");
});

test("a first value has nothing before it, and values without words stand as they are", () => {
  expect(entryDetails({ to_tier: "vip", from_tier: null }, t)).toBe("VIP");
  expect(entryDetails({ code: "GOLD", count: 2 }, t)).toBe("GOLD · 2");
});

test("ids are not shown", () => {
  expect(entryDetails({ unit_id: "01a200fd-de30-755a-8d65-6643944b3aeb", state: "closed" }, t)).toBe(
    "closed",
  );
});
