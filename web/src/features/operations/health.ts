import type { Answer } from "../../api/types";
import { formatCount, formatSpan } from "../../shared/format";

export type ServiceState = Answer<"/api/v1/operations">["services"][number];
export type Health = Answer<"/api/v1/operations/customer/health">;
export type Alert = Health["alerts"][number];

/** A service's health; the gateway hands it on as it came. */
export function healthOf(state: ServiceState): Health | null {
  return state.health as Health | null;
}

const SECONDS: ReadonlySet<string> = new Set([
  "KehuWorkerBlind",
  "KehuOutboxOld",
  "KehuTimersLate",
  "KehuParkedOld",
  "KehuAuditUnsealed",
  "KehuInboundSilent",
]);

/** A figure, or a threshold, as the alert's kind has it: a span of time or a count. */
export function formatFigure(alert: string, figure: number | null): string {
  return SECONDS.has(alert) ? formatSpan(figure) : formatCount(figure);
}

/** Whether somebody has to do something about a figure. */
export function isBeyond({ state }: Alert): boolean {
  return state === "ticket" || state === "page";
}

/** What is beyond the threshold of its alert, of all services that answer; the most urgent first. */
export function beyondOf(states: readonly ServiceState[]): { service: string; alert: Alert }[] {
  const beyond = states.flatMap((state) =>
    (healthOf(state)?.alerts ?? []).filter(isBeyond).map((alert) => ({ service: state.service, alert })),
  );
  const urgent = beyond.filter(({ alert }) => alert.state === "page");
  return [...urgent, ...beyond.filter(({ alert }) => alert.state !== "page")];
}
