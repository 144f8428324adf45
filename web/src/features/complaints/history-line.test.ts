import { expect, test } from "vitest";
import { historyLine } from "./history-line";

const words: Record<string, string> = {
  "history.received": "Received",
  "history.reject": "Found to be no complaint",
  "history.overdue": "Ran overdue",
  "history.decide": "Decided",
  "complaint.internal": "Internal clock",
  "outcomeOf.upheld": "Upheld",
  "complaintState.decided": "Decided",
  "complaintState.received": "Received",
  "complaintState.not_a_complaint": "Not a complaint",
};
const t = (key: string, options?: { defaultValue: string }) => words[key] ?? options?.defaultValue ?? key;

test("a state that only repeats the event is not said twice", () => {
  expect(historyLine({ event: "received", to_state: "received" }, t)).toBe("Received");
});

test("what an event led to is said where it says more; an event without a word is told by its name", () => {
  expect(historyLine({ event: "reject", to_state: "not_a_complaint" }, t)).toBe(
    "Found to be no complaint → Not a complaint",
  );
  expect(historyLine({ event: "assigned", to_state: null }, t)).toBe("assigned");
});

test("it is told which clock ran out, and what was decided", () => {
  expect(historyLine({ event: "overdue", to_state: null, details: { clock: "internal" } }, t)).toBe(
    "Ran overdue: Internal clock",
  );
  expect(historyLine({ event: "decide", to_state: "decided", details: { outcome: "upheld" } }, t)).toBe(
    "Decided: Upheld",
  );
});
