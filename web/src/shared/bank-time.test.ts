import { afterEach, expect, test, vi } from "vitest";
import { businessNow, setBusinessTime, toInstant, toPicked } from "./bank-time";

afterEach(() => vi.useRealTimers());

test("what is picked is the bank's hour, wherever the browser is", () => {
  const picked = toPicked("2026-03-01T16:30:00Z");
  expect(picked.format("YYYY-MM-DD HH:mm")).toBe("2026-03-02 00:30");
  expect(toInstant(picked)).toBe("2026-03-02T00:30:00+08:00");
});

test("business time goes on from where the bank's clock stands", () => {
  vi.useFakeTimers({ now: new Date("2026-03-01T00:00:00Z") });
  setBusinessTime("1999-01-01T01:00:00Z");
  vi.advanceTimersByTime(60_000);
  expect(businessNow().toISOString()).toBe("1999-01-01T01:01:00.000Z");
});
