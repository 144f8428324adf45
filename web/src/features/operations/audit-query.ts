import type { Dayjs } from "dayjs";
import { codes } from "../../i18n/zh/codes";
import { toInstant } from "../../shared/bank-time";
import type { Service } from "./services";

/** What the audit is narrowed to, as it stands in the form. */
export interface Wanted {
  service: Service;
  who?: string;
  what?: string;
  thingType: string;
  thingId?: string;
  from?: Dayjs | null;
  to?: Dayjs | null;
}

const EVERYWHERE = ["dead_letter", "consumer", "keys", "suite", "audit"];
const NOUNS: Record<Service, readonly string[]> = {
  customer: ["customer", "consent", "contacts", "ownership"],
  segmentation: ["segment"],
  complaints: ["complaint"],
  campaigns: ["campaign"],
  gateway: ["webhook"],
};
const THINGS: Record<Service, readonly [string, ...string[]]> = {
  customer: ["customer", "lookup", "purpose"],
  segmentation: ["segment"],
  complaints: ["complaint"],
  campaigns: ["campaign"],
  gateway: ["webhook", "webhook_delivery"],
};
const THINGS_EVERYWHERE = ["dead_letter", "consumer", "key", "service", "audit"];
/** Lines of a case's history that nobody writes. */
const BY_THEMSELVES = new Set(["overdue", "deadline_recomputed"]);

// What is done to a complaint has its words in the case's history already.
const VERBS: Record<string, object> = { ...codes.deed, complaint: codes.history };

/** What may be done in a service, as the audit names it. */
export function actionsOf(service: Service): string[] {
  return [...NOUNS[service], ...EVERYWHERE].flatMap((noun) =>
    Object.keys(VERBS[noun] ?? {})
      .filter((verb) => !BY_THEMSELVES.has(verb))
      .map((verb) => `${noun}.${verb}`),
  );
}

/** What things a service's audit tells of, the foremost first. */
export function thingsOf(service: Service): readonly [string, ...string[]] {
  return [...THINGS[service], ...THINGS_EVERYWHERE];
}

/** Where the words for an action stand. */
export function actionKey(action: string): string {
  return action.startsWith("complaint.") ? action.replace("complaint", "history") : `deed.${action}`;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The filters of the API. Who is written like an id is a member of staff, others are named by their log-in. */
export function queryOf(wanted: Wanted) {
  const who = wanted.who?.trim() || undefined;
  const thingId = wanted.thingId?.trim() || undefined;
  const isStaff = who !== undefined && UUID.test(who);
  return {
    actor: isStaff ? undefined : who,
    staff_id: isStaff ? who : undefined,
    action: wanted.what,
    resource_type: thingId && wanted.thingType,
    resource_id: thingId,
    from: wanted.from ? toInstant(wanted.from) : undefined,
    to: wanted.to ? toInstant(wanted.to) : undefined,
  };
}
