import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { fireEvent, render, screen, waitFor } from "@testing-library/react";
import { App } from "antd";
import type { ReactNode } from "react";
import { beforeAll, expect, test, vi } from "vitest";
import { api } from "../../api/client";
import { type Session, SessionProvider } from "../../app/session";
import { setLanguage, startI18n } from "../../i18n";
import type { Alert, Health } from "./health";
import { OperationsPage } from "./operations-page";
import { ServiceCard } from "./service-card";
import { Urgent } from "./urgent";

const RUNNING = {
  subscription: "directory",
  state: "running",
  reason: null,
  lag: 0,
  held: 0,
  open_dead_letters: 0,
  reported_at: "2026-03-01T16:30:07Z",
} as const;
const STOPPED = {
  ...RUNNING,
  subscription: "holdings",
  state: "stopped",
  reason: "too many dead letters",
  lag: 12_345,
  held: 3,
} as const;

function alert(
  name: string,
  figure: number | null,
  threshold: number,
  state: Alert["state"],
  of?: string,
): Alert {
  return { alert: name, of: of ?? null, figure, threshold, state };
}

const HEALTH: Health = {
  status: "degraded",
  outbox: { depth: 4, oldest_seconds: 75.4 },
  open_dead_letters: 0,
  parked_messages: 0,
  parked_oldest_seconds: null,
  due_timers: 1,
  failing_timers: 0,
  consumers: [RUNNING, STOPPED],
  timers: [
    {
      kind: "retention",
      set: 1,
      due: 0,
      failing: 0,
      late_seconds: null,
      next_due_at: "2026-03-02T18:00:00Z",
    },
    { kind: "call", set: 1_200, due: 1, failing: 2, late_seconds: 90, next_due_at: "2026-03-02T16:00:00Z" },
  ],
  topics: [
    { topic: "bank.party.v1", last_message_at: "2026-02-27T01:02:03Z" },
    { topic: "kehu.customer.v1", last_message_at: "2026-03-01T16:30:07Z" },
  ],
  alerts: [
    alert("KehuWorkerBlind", null, 60, "unknown"),
    alert("KehuOutboxOld", 75.4, 60, "page"),
    alert("KehuOutboxDeep", 4, 100_000, "ok"),
    alert("KehuTimersLate", 90, 300, "ok"),
    alert("KehuConsumerLag", 0, 10_000, "ok", "directory"),
    alert("KehuConsumerLag", 12_345, 10_000, "ticket", "holdings"),
    alert("KehuInboundSilent", 228_484, 86_400, "ticket", "bank.party.v1"),
  ],
};
const DEGRADED = { service: "segmentation", status: "degraded", ready: true, health: { ...HEALTH } } as const;
const AWAY = { service: "campaigns", status: "unavailable", ready: false, health: null } as const;

beforeAll(async () => {
  await startI18n();
  await setLanguage("en");
});

function show(content: ReactNode, permissions: string[] = ["operations:read"]) {
  render(
    <App>
      <QueryClientProvider client={new QueryClient({ defaultOptions: { queries: { retry: false } } })}>
        <SessionProvider session={{ permissions } as unknown as Session}>{content}</SessionProvider>
      </QueryClientProvider>
    </App>,
  );
}

function rowOf(text: string): string {
  const cells = screen.getByText(text).closest("tr")?.querySelectorAll("td") ?? [];
  return [...cells].map((cell) => cell.textContent).join(" | ");
}

test("a consumer that stopped goes on when an operator says why, and no other can be told to", async () => {
  const post = vi.spyOn(api, "POST").mockResolvedValue({ data: {} } as never);
  show(<ServiceCard state={DEGRADED} />, ["operations:read", "operations:write"]);
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
  show(<ServiceCard state={DEGRADED} />);
  expect(screen.getByText("too many dead letters")).toBeDefined();
  expect(screen.queryByText("Resume")).toBeNull();
});

test("each figure stands beside the threshold of its alert, with one word for how urgent it is", () => {
  show(<ServiceCard state={DEGRADED} />);
  expect(rowOf("Oldest event in the outbox")).toBe("Oldest event in the outbox | 75 secs | 60 secs | Urgent");
  expect(rowOf("Events in the outbox")).toBe("Events in the outbox | 4 | 100,000 | OK");
  expect(rowOf("Lateness of timers")).toBe("Lateness of timers | 90 secs | 5 mins | OK");
  expect(rowOf("Worker last heard of")).toBe("Worker last heard of | – | 60 secs | Not known");
  expect(rowOf("directory")).toBe("directory | Running | 0");
  expect(rowOf("holdings")).toContain("12,345Ticket");
});

test("timers tell how late they are and when the next is due by the bank's time, topics when they last spoke", () => {
  show(<ServiceCard state={DEGRADED} />);
  fireEvent.click(screen.getByText("Timers"));
  expect(rowOf("retention")).toBe("retention | 0 of 1 | 2026-03-03 02:00");
  expect(rowOf("call")).toBe("call | 1 of 1,200 · 90 secs late · 2 failing | 2026-03-03 00:00");
  expect(screen.getByText("Next due 2026-03-03 00:00")).toBeDefined();
  fireEvent.click(screen.getByText("Last messages"));
  expect(rowOf("bank.party.v1")).toBe("bank.party.v1 | 2026-02-27 09:02:03 | Ticket");
  expect(rowOf("kehu.customer.v1")).toBe("kehu.customer.v1 | 2026-03-02 00:30:07 | ");
});

test("what needs somebody is told of all services at once, the most urgent first", () => {
  show(<Urgent states={[DEGRADED, AWAY]} readAt={Date.parse("2026-03-01T16:30:09Z")} />);
  expect(screen.getAllByRole("listitem").map((line) => line.textContent)).toEqual([
    "UrgentCampaigns · No answer",
    "UrgentSegmentation · Oldest event in the outbox75 secs, alert beyond 60 secs",
    "TicketSegmentation · Consumer lag · holdings12,345, alert beyond 10,000",
    "TicketSegmentation · Nothing came from the core · bank.party.v12 days, alert beyond 24 hrs",
  ]);
  expect(screen.getByText("Read at 2026-03-02 00:30:09")).toBeDefined();
});

test("nothing urgent is said, too", () => {
  const well = { ...HEALTH, status: "ok", alerts: [alert("KehuOutboxOld", 0, 60, "ok")] };
  show(<Urgent states={[{ service: "customer", status: "ok", ready: true, health: well }]} readAt={0} />);
  expect(screen.getByText("No figure is beyond the threshold of its alert")).toBeDefined();
});

test("what was read stays on the page while a later reading fails, and the page says that it failed", async () => {
  vi.useFakeTimers({ shouldAdvanceTime: true });
  let down = false;
  vi.spyOn(api, "GET").mockImplementation(((path: string) => {
    if (path !== "/api/v1/operations") {
      return Promise.resolve({ data: { items: [], next_cursor: null } });
    }
    return down
      ? Promise.reject(new TypeError("fetch failed"))
      : Promise.resolve({ data: { services: [DEGRADED] } });
  }) as never);
  show(<OperationsPage />);
  await screen.findByText("Events in the outbox");
  down = true;
  await vi.advanceTimersByTimeAsync(3_100);
  expect(await screen.findByText(/The server did not answer/)).toBeDefined();
  expect(rowOf("Events in the outbox")).toBe("Events in the outbox | 4 | 100,000 | OK");
  vi.useRealTimers();
});
