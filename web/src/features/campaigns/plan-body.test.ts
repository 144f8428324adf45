import dayjs from "dayjs";
import { expect, test } from "vitest";
import { type Campaign, formOf, type PlanForm, planBody } from "./plan-body";

const FORM: PlanForm = {
  code: "SPRING",
  name: "Spring deposits",
  objective: "More deposits",
  channel: "sms",
  purpose: "marketing",
  product_code: "TD-12M",
  message: "{{ product }}",
  audience: { any_of: ["a"] },
  holdout_basis_points: 12.5,
  ends_at: dayjs("2026-04-01T18:00:00"),
  conversion_window_days: 30,
};

test("a plan goes out in basis points and in the bank's time; what is not given is told as such", () => {
  const body = planBody(FORM);
  expect(body.holdout_basis_points).toBe(1250);
  expect(body.ends_at).toBe("2026-04-01T18:00:00+08:00");
  expect(body.starts_at).toBeNull();
  expect(body.target_conversions).toBeNull();
  expect(body.audience).toEqual({ any_of: ["a"], all_of: [], none_of: [], customers_of_unit_id: null });
});

test("a campaign that is opened and sent again unchanged says the same", () => {
  const campaign = {
    ...planBody(FORM),
    audience: { any_of: ["a"], all_of: ["b"], none_of: ["c"], customers_of_unit_id: "u" },
    starts_at: "2026-03-01T01:00:00Z",
    ends_at: "2026-04-01T10:00:00Z",
  } as unknown as Campaign;
  const again = planBody(formOf(campaign));
  expect(again.audience).toEqual(campaign.audience);
  expect(again.holdout_basis_points).toBe(1250);
  expect(new Date(again.starts_at ?? "").toISOString()).toBe("2026-03-01T01:00:00.000Z");
  expect(new Date(again.ends_at).toISOString()).toBe("2026-04-01T10:00:00.000Z");
});
