import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { api, bodyOf } from "../api/client";

/** All rows of a list that is short enough to be read whole. */
async function wholeList<Row>(
  page: (cursor: string | undefined) => Promise<{ items: Row[]; next_cursor: string | null }>,
): Promise<Row[]> {
  const rows: Row[] = [];
  let cursor: string | null | undefined;
  while (cursor !== null) {
    const read = await page(cursor ?? undefined);
    rows.push(...read.items);
    cursor = read.next_cursor;
  }
  return rows;
}

function useUnits() {
  return useQuery({
    queryKey: ["units"],
    staleTime: 600_000,
    queryFn: ({ signal }) =>
      wholeList(async (cursor) =>
        bodyOf(await api.GET("/api/v1/units", { params: { query: { limit: 200, cursor } }, signal })),
      ),
  });
}

/** The name of a unit by its id; a dash while it is not known. */
export function useUnitName(): (unitId: string | null) => string {
  const units = useUnits();
  return (unitId) => units.data?.find((unit) => unit.id === unitId)?.name ?? "–";
}

/** The units to choose from. */
export function useUnitOptions(): { value: string; label: string }[] {
  const units = useUnits();
  return (units.data ?? []).map((unit) => ({ value: unit.id, label: unit.name }));
}

/** Who works in a unit at present, to choose from; nobody until the unit is known. */
export function useStaffOptions(unitId: string | undefined): {
  options: { value: string; label: string }[];
  isFetching: boolean;
} {
  const staff = useQuery({
    queryKey: ["staff", unitId],
    enabled: unitId !== undefined,
    staleTime: 600_000,
    queryFn: ({ signal }) =>
      wholeList(async (cursor) =>
        bodyOf(
          await api.GET("/api/v1/staff", {
            params: { query: { unit_id: unitId, limit: 200, cursor } },
            signal,
          }),
        ),
      ),
  });
  const active = (staff.data ?? []).filter((member) => member.active);
  return {
    options: active.map((member) => ({ value: member.id, label: `${member.name} · ${member.staff_number}` })),
    isFetching: staff.isFetching,
  };
}

const ASKED_AT_ONCE = 50;

/** The names of those who are asked for by their ids, wherever they work; a dash while one is not known. */
export function useColleagueNames(staffIds: readonly (string | null)[]): (staffId: string | null) => string {
  const wanted = [...new Set(staffIds.filter((id) => id !== null))].sort();
  const colleagues = useQuery({
    queryKey: ["colleagues", wanted],
    enabled: wanted.length > 0,
    staleTime: 600_000,
    // While a list grows, the names that are known stay.
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }) => {
      const parts = Array.from({ length: Math.ceil(wanted.length / ASKED_AT_ONCE) }, (_, part) =>
        wanted.slice(part * ASKED_AT_ONCE, (part + 1) * ASKED_AT_ONCE),
      );
      const query = (staff_id: string[]) => ({ staff_id, limit: ASKED_AT_ONCE });
      const answers = await Promise.all(
        parts.map((ids) => api.GET("/api/v1/staff", { params: { query: query(ids) }, signal })),
      );
      return answers.flatMap((answer) => bodyOf(answer).items);
    },
  });
  return (staffId) => colleagues.data?.find((member) => member.id === staffId)?.name ?? "–";
}
