import { useQuery } from "@tanstack/react-query";
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

function useStaff(unitId: string | undefined, enabled: boolean) {
  return useQuery({
    queryKey: ["staff", unitId],
    enabled,
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
}

/** Who works in a unit at present, to choose from; nobody until the unit is known. */
export function useStaffOptions(unitId: string | undefined): {
  options: { value: string; label: string }[];
  isFetching: boolean;
} {
  const staff = useStaff(unitId, unitId !== undefined);
  const active = (staff.data ?? []).filter((member) => member.active);
  return {
    options: active.map((member) => ({ value: member.id, label: `${member.name} · ${member.staff_number}` })),
    isFetching: staff.isFetching,
  };
}

/** The name of someone who mostly works in a unit; only who is not found there is looked for in the whole bank. */
export function useColleagueName(unitId: string | null, staffId: string | null): string {
  const near = useStaff(unitId ?? undefined, unitId !== null && staffId !== null);
  const found = near.data?.find((member) => member.id === staffId);
  const far = useStaff(
    undefined,
    staffId !== null && found === undefined && (unitId === null || near.isSuccess),
  );
  return (found ?? far.data?.find((member) => member.id === staffId))?.name ?? "–";
}
