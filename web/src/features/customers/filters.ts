import type { Item } from "../../api/types";

/** What the list of customers is narrowed to. */
export interface Filters {
  q: string;
  kind: Item<"/api/v1/customers">["kind"] | null;
  mine: boolean;
}

export const FIRST_FILTERS: Filters = { q: "", kind: null, mine: false };
