import { describe, expect, test } from "vitest";
import { formatInstant, formatMoment, formatMoney, formatRounded, formatShare, formatSpan } from "./format";

describe("money", () => {
  test("groups thousands and keeps the minor units", () => {
    expect(formatMoney("1234567.80", "CNY")).toBe("1,234,567.80 CNY");
  });
  test("drops zeros beyond the minor units, never a digit that counts", () => {
    expect(formatMoney("12.3400", "CNY")).toBe("12.34 CNY");
    expect(formatMoney("12.3456", "CNY")).toBe("12.3456 CNY");
  });
  test("keeps an amount that a float would round", () => {
    expect(formatMoney("9007199254740993.01", "CNY")).toBe("9,007,199,254,740,993.01 CNY");
  });
  test("shows a debt with its sign and a missing amount as a dash", () => {
    expect(formatMoney("-500", "EUR")).toBe("-500.00 EUR");
    expect(formatMoney(null, "CNY")).toBe("–");
  });
});

test("a computed amount is rounded to the minor unit, exactly", () => {
  expect(formatRounded("1234.5650", "CNY")).toBe("1,234.57 CNY");
  expect(formatRounded("9007199254740993.0149", "CNY")).toBe("9,007,199,254,740,993.01 CNY");
});

test("an instant is shown in the bank's zone, not in the browser's", () => {
  expect(formatInstant("2026-03-01T16:30:00Z")).toBe("2026-03-02 00:30");
  expect(formatMoment("2026-03-01T16:30:07Z")).toBe("2026-03-02 00:30:07");
});

test("a share of nothing is a dash", () => {
  expect(formatShare(0, 0)).toBe("–");
  expect(formatShare(1, 8)).toBe("12.5 %");
});

test("a span is told in the largest unit of which there are two", () => {
  expect(formatSpan(0)).toBe("0秒");
  expect(formatSpan(119.9)).toBe("119秒");
  expect(formatSpan(300)).toBe("5分钟");
  expect(formatSpan(86_400)).toBe("24小时");
  expect(formatSpan(259_200)).toBe("3天");
  expect(formatSpan(null)).toBe("–");
});
