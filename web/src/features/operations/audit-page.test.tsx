import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { fireEvent, render, screen, waitFor } from "@testing-library/react";
import { App } from "antd";
import type { ReactNode } from "react";
import { beforeAll, beforeEach, expect, test, vi } from "vitest";
import { api } from "../../api/client";
import { setLanguage, startI18n } from "../../i18n";
import { AuditPage } from "./audit-page";

vi.mock("@tanstack/react-router", () => ({
  Link: ({ to, children }: { to: string; children: ReactNode }) => <a href={to}>{children}</a>,
}));

const STAFF = "0192d4e0-7b7a-7c3a-9f00-000000000001";
const CUSTOMER = "0192d4e0-7b7a-7c3a-9f00-00000000c001";
const REVEALED = {
  audit_id: "2",
  at: "2026-03-01T16:30:07Z",
  recorded_at: "2026-03-01T16:30:07Z",
  actor: "rm",
  staff_id: STAFF,
  action: "customer.revealed",
  resource_type: "customer",
  resource_id: CUSTOMER,
  reason: "asked by phone",
  details: { fields: ["phone"] },
  trace_id: "4bf9",
  chain_position: null,
};
const RESTORED = {
  ...REVEALED,
  audit_id: "1",
  actor: "kehu restore",
  staff_id: null,
  action: "suite.unheard_of",
  resource_type: "service",
  resource_id: "customer",
  reason: null,
  chain_position: 12,
};

interface Query {
  cursor?: string;
  actor?: string;
}

let asked: { path: string; query: Query }[] = [];

beforeAll(async () => {
  await startI18n();
  await setLanguage("en");
});

beforeEach(() => {
  asked = [];
  vi.spyOn(api, "GET").mockImplementation(((path: string, options: { params: { query: Query } }) => {
    if (path === "/api/v1/staff") {
      return Promise.resolve({ data: { items: [{ id: STAFF, name: "Lin Yue" }], next_cursor: null } });
    }
    const { query } = options.params;
    asked.push({ path, query });
    const data = query.cursor
      ? { items: [RESTORED], next_cursor: null }
      : { items: [REVEALED], next_cursor: "next" };
    return Promise.resolve({ data });
  }) as never);
});

async function open() {
  render(
    <App>
      <QueryClientProvider client={new QueryClient()}>
        <AuditPage />
      </QueryClientProvider>
    </App>,
  );
  await screen.findByText("Saw values in clear");
}

test("a row tells who did what on what, when and why, and whether it is sealed", async () => {
  await open();
  expect(await screen.findByText("Lin Yue · rm")).toBeDefined();
  expect(screen.getByText("2026-03-02 00:30:07")).toBeDefined();
  expect(screen.getByText("asked by phone")).toBeDefined();
  expect(screen.getByText("Not sealed yet")).toBeDefined();
  fireEvent.click(screen.getByLabelText("Expand row"));
  expect(screen.getByText(CUSTOMER)).toBeDefined();
  expect(screen.getByText('{"fields":["phone"]}')).toBeDefined();
});

test("the next page comes when it is asked for, and an action without words is told as it is", async () => {
  await open();
  fireEvent.click(screen.getByText("More"));
  expect(await screen.findByText("suite.unheard_of")).toBeDefined();
  expect(screen.getByText("kehu restore")).toBeDefined();
  expect(asked.map(({ query }) => query.cursor)).toEqual([undefined, "next"]);
});

test("nothing is read while somebody types: each reading is audited", async () => {
  await open();
  fireEvent.change(screen.getByLabelText("Who"), { target: { value: STAFF } });
  fireEvent.change(screen.getByPlaceholderText("Id of the thing"), { target: { value: "c1" } });
  expect(asked).toHaveLength(1);
  fireEvent.click(screen.getByText("Search"));
  await waitFor(() => expect(asked).toHaveLength(2));
  expect(asked[1]).toMatchObject({
    path: "/api/v1/operations/customer/audit",
    query: { staff_id: STAFF, actor: undefined, resource_type: "customer", resource_id: "c1" },
  });
  await screen.findByText("Saw values in clear");
  // Asked for once more, it is read once more: something may have happened since.
  fireEvent.click(screen.getByText("Search"));
  await waitFor(() => expect(asked).toHaveLength(3));
});

test("what stands in a row narrows the list to it", async () => {
  await open();
  fireEvent.click(screen.getByLabelText("Only by them"));
  await waitFor(() => expect(asked).toHaveLength(2));
  expect(asked[1]?.query).toMatchObject({ actor: "rm" });
  fireEvent.click(await screen.findByLabelText("Only on this"));
  await waitFor(() => expect(asked).toHaveLength(3));
  expect(asked[2]?.query).toMatchObject({
    actor: "rm",
    resource_type: "customer",
    resource_id: CUSTOMER,
  });
});
