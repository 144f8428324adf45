type Translate = (key: string, options?: { defaultValue: string }) => string;

/** What happened in words, with the state that it led to where that says more than the event itself. */
export function historyLine(entry: { event: string; to_state: string | null }, t: Translate): string {
  const event = t(`history.${entry.event}`, { defaultValue: entry.event });
  const state = entry.to_state === null ? event : t(`complaintState.${entry.to_state}`);
  return state === event ? event : `${event} → ${state}`;
}
