type Translate = (key: string, options?: { defaultValue: string }) => string;

interface Entry {
  event: string;
  to_state: string | null;
  details?: Record<string, unknown>;
}

/** What an entry is about beyond its event: which clock ran out, what was decided. */
function subject({ details }: Entry, t: Translate): string {
  if (typeof details?.clock === "string") {
    return `: ${t(`complaint.${details.clock}`)}`;
  }
  return typeof details?.outcome === "string" ? `: ${t(`outcomeOf.${details.outcome}`)}` : "";
}

/** What happened in words, with the state that it led to where that says more than the event itself. */
export function historyLine(entry: Entry, t: Translate): string {
  const event = t(`history.${entry.event}`, { defaultValue: entry.event });
  const state = entry.to_state === null ? event : t(`complaintState.${entry.to_state}`);
  return `${event}${subject(entry, t)}${state === event ? "" : ` → ${state}`}`;
}
