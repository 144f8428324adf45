import { expect, test } from "vitest";
import { urgency } from "./deadline";

const NOW = new Date("2026-03-02T08:00:00Z");

test("a deadline within three days is soon, one further off is calm", () => {
  expect(urgency({ status: "running", overdue: false, due_at: "2026-03-05T07:59:00Z" }, NOW)).toBe("soon");
  expect(urgency({ status: "running", overdue: false, due_at: "2026-03-05T08:00:00Z" }, NOW)).toBe("calm");
});

test("a paused clock does not press, a missed deadline always does", () => {
  expect(urgency({ status: "paused", overdue: false, due_at: "2026-03-02T09:00:00Z" }, NOW)).toBe("calm");
  expect(urgency({ status: "stopped", overdue: true, due_at: "2026-03-01T16:00:00Z" }, NOW)).toBe("late");
});
