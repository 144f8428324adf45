import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeAll, expect, test, vi } from "vitest";
import { ProblemError, problemOf, readProblem } from "../api/problem";
import { startI18n } from "../i18n";
import { ProblemAlert } from "./problem-alert";

beforeAll(startI18n);

test("a refusal is told in the service's words, with its fields and the trace id", async () => {
  const retry = vi.fn();
  const error = new ProblemError({
    status: 422,
    code: "validation.failed",
    title: "The request is not valid",
    errors: [{ pointer: "/name", code: "missing", detail: "is needed" }],
    trace_id: "4bf92f",
  });
  render(<ProblemAlert error={error} onRetry={retry} />);
  const alert = screen.getByRole("alert").textContent;
  for (const part of ["The request is not valid", "/name", "is needed", "4bf92f"]) {
    expect(alert).toContain(part);
  }
  await userEvent.click(screen.getByRole("button"));
  expect(retry).toHaveBeenCalledOnce();
});

test("whatever is no problem of the API counts as no answer", () => {
  expect(problemOf(new TypeError("Failed to fetch")).code).toBe("console.offline");
});

test("a proxy's page keeps its status", async () => {
  const read = await readProblem(new Response("<html>", { status: 502, statusText: "Bad Gateway" }));
  expect(read).toEqual({ status: 502, code: "console.unreadable", title: "Bad Gateway" });
});
