import { expect, test } from "vitest";
import { forwardFirst } from "./actions";

test("the step that leads on stands before those aside", () => {
  expect(forwardFirst(["pause", "decide", "withdraw"])).toEqual(["decide", "pause", "withdraw"]);
  expect(forwardFirst(["request_review", "close", "reopen"])).toEqual(["close", "request_review", "reopen"]);
  expect(forwardFirst(["reopen"])).toEqual(["reopen"]);
});
