import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { fireEvent, render, screen, waitFor } from "@testing-library/react";
import { App } from "antd";
import { beforeAll, expect, test, vi } from "vitest";
import { api } from "../../api/client";
import { type Session, SessionProvider } from "../../app/session";
import { setLanguage, startI18n } from "../../i18n";
import { ServiceCard } from "./operations-page";

const RUNNING = { subscription: "directory", state: "running", reason: null, lag: 0, held: 0 };
const STOPPED = {
  subscription: "holdings",
  state: "stopped",
  reason: "too many dead letters",
  lag: 9,
  held: 3,
};

beforeAll(async () => {
  await startI18n();
  await setLanguage("en");
});

function open(permissions: string[]) {
  const health = {
    outbox: { depth: 0, oldest_seconds: null },
    open_dead_letters: 0,
    parked_messages: 0,
    failing_timers: 0,
    consumers: [RUNNING, STOPPED],
  };
  render(
    <App>
      <QueryClientProvider client={new QueryClient()}>
        <SessionProvider session={{ permissions } as unknown as Session}>
          <ServiceCard state={{ service: "segmentation", status: "degraded", ready: true, health }} />
        </SessionProvider>
      </QueryClientProvider>
    </App>,
  );
}

test("a consumer that stopped goes on when an operator says why, and no other can be told to", async () => {
  const post = vi.spyOn(api, "POST").mockResolvedValue({ data: {} } as never);
  open(["operations:read", "operations:write"]);
  expect(screen.getByText("too many dead letters")).toBeDefined();
  fireEvent.click(screen.getByText("Resume"));
  fireEvent.change(screen.getByLabelText("Reason"), { target: { value: "mended" } });
  fireEvent.click(screen.getByText("OK", { selector: "button span" }));
  await waitFor(() => expect(post).toHaveBeenCalledOnce());
  const [path, options] = post.mock.calls[0] as unknown as [string, Record<string, unknown>];
  expect(path).toBe("/api/v1/operations/segmentation/consumers/{subscription}/resumptions");
  expect(options).toMatchObject({
    params: { path: { subscription: "holdings" } },
    body: { reason: "mended" },
  });
});

test("whoever may only look sees that it stopped, and why", () => {
  open(["operations:read"]);
  expect(screen.getByText("too many dead letters")).toBeDefined();
  expect(screen.queryByText("Resume")).toBeNull();
});
