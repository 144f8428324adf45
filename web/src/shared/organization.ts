import { useQuery } from "@tanstack/react-query";
import { api, bodyOf } from "../api/client";
import type { Item } from "../api/types";

type Unit = Item<"/api/v1/units">;

async function everyUnit(signal: AbortSignal): Promise<Unit[]> {
  const units: Unit[] = [];
  let cursor: string | null | undefined;
  while (cursor !== null) {
    const page = bodyOf(
      await api.GET("/api/v1/units", {
        params: { query: { limit: 200, cursor: cursor ?? undefined } },
        signal,
      }),
    );
    units.push(...page.items);
    cursor = page.next_cursor;
  }
  return units;
}

function useUnits() {
  return useQuery({
    queryKey: ["units"],
    staleTime: 600_000,
    queryFn: ({ signal }) => everyUnit(signal),
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

/** The name of someone who works in a unit; a dash while it is not known. */
export function useColleagueName(unitId: string | null, staffId: string | null): string {
  const staff = useQuery({
    queryKey: ["staff", unitId],
    enabled: unitId !== null && staffId !== null,
    staleTime: 600_000,
    queryFn: async ({ signal }) =>
      bodyOf(
        await api.GET("/api/v1/staff", {
          params: { query: { unit_id: unitId ?? undefined, limit: 200 } },
          signal,
        }),
      ).items,
  });
  return staff.data?.find((member) => member.id === staffId)?.name ?? "–";
}
