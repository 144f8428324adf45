import dayjs from "dayjs";
import { expect, test } from "vitest";
import { en } from "../../i18n/en";
import { zh } from "../../i18n/zh";
import { actionKey, actionsOf, queryOf, thingsOf } from "./audit-query";
import { SERVICES } from "./services";

const FIRST = { service: "customer", thingType: "customer" } as const;
const STAFF = "0192d4e0-7b7a-7c3a-9f00-000000000001";

function wordOf(dictionary: object, key: string): unknown {
  return key.split(".").reduce<unknown>((part, step) => (part as Record<string, unknown>)[step], dictionary);
}

test("who is written like an id is a member of staff, everybody else is named by the log-in", () => {
  expect(queryOf({ ...FIRST, who: ` ${STAFF} ` })).toMatchObject({ actor: undefined, staff_id: STAFF });
  expect(queryOf({ ...FIRST, who: "worker:timers" })).toMatchObject({
    actor: "worker:timers",
    staff_id: undefined,
  });
  expect(queryOf({ ...FIRST, who: " " })).toMatchObject({ actor: undefined, staff_id: undefined });
});

test("a kind of thing says nothing without an id", () => {
  expect(queryOf(FIRST)).toMatchObject({ resource_type: undefined, resource_id: undefined });
  expect(queryOf({ ...FIRST, thingId: "c1" })).toMatchObject({
    resource_type: "customer",
    resource_id: "c1",
  });
});

test("moments are the bank's, wherever the browser is", () => {
  expect(queryOf({ ...FIRST, from: dayjs("2026-03-02T09:00:00"), to: null })).toMatchObject({
    from: "2026-03-02T09:00:00+08:00",
    to: undefined,
  });
});

test("whatever may be chosen has its words in both languages", () => {
  for (const service of SERVICES) {
    const keys = [
      ...actionsOf(service).map(actionKey),
      ...thingsOf(service).map((thing) => `thing.${thing}`),
    ];
    for (const key of keys) {
      expect([wordOf(zh, key), wordOf(en, key)], key).toEqual([expect.any(String), expect.any(String)]);
    }
  }
  expect(actionsOf("complaints")).toContain("complaint.decide");
  expect(actionsOf("complaints")).not.toContain("complaint.overdue");
});
