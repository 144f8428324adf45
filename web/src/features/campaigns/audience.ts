import { useQuery } from "@tanstack/react-query";
import { api, bodyOf } from "../../api/client";

function useSegments() {
  return useQuery({
    queryKey: ["segments", "of-audiences"],
    staleTime: 60_000,
    queryFn: async ({ signal }) =>
      bodyOf(await api.GET("/api/v1/segments", { params: { query: { limit: 200 } }, signal })).items,
  });
}

/** Segments that somebody can belong to: only a published one can be an audience. */
export function usePublishedSegments(): { value: string; label: string }[] {
  return (useSegments().data ?? [])
    .filter((segment) => segment.rule_version !== null)
    .map((segment) => ({ value: segment.segment_id, label: `${segment.name} (${segment.member_count})` }));
}

/** The names of an audience's segments; null when it names none. */
export function useSegmentNames(): (segmentIds: readonly string[]) => string | null {
  const segments = useSegments().data ?? [];
  return (segmentIds) =>
    segmentIds.length === 0
      ? null
      : segmentIds.map((id) => segments.find((segment) => segment.segment_id === id)?.name ?? "–").join(", ");
}
