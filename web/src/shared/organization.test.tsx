import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { render, screen } from "@testing-library/react";
import { expect, test, vi } from "vitest";
import { api } from "../api/client";
import { useColleagueNames } from "./organization";

function Names({ ids }: { ids: (string | null)[] }) {
  const nameOf = useColleagueNames(ids);
  return <p>{[...ids, "stranger"].map((id) => nameOf(id)).join(",")}</p>;
}

test("colleagues are asked for by their ids, fifty at once, each once", async () => {
  const asked: number[] = [];
  vi.spyOn(api, "GET").mockImplementation(((
    _path: string,
    options: { params: { query: { staff_id: string[] } } },
  ) => {
    asked.push(options.params.query.staff_id.length);
    const items = options.params.query.staff_id.map((id) => ({ id, name: `name of ${id}` }));
    return Promise.resolve({ data: { items, next_cursor: null } });
  }) as never);
  const ids = Array.from({ length: 60 }, (_, number) => `s${String(number).padStart(2, "0")}`);
  render(
    <QueryClientProvider client={new QueryClient()}>
      <Names ids={["s07", null, ...ids]} />
    </QueryClientProvider>,
  );
  expect(await screen.findByText(/^name of s07,–,name of s00,.*,name of s59,–$/)).toBeDefined();
  expect(asked).toEqual([50, 10]);
});
