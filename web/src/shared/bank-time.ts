import dayjs, { type Dayjs } from "dayjs";

/** The bank's zone. Its offset has not changed since 1991, before any fact that the console writes. */
export const BANK_ZONE = "Asia/Shanghai";
const BANK_OFFSET = "+08:00";

let ahead = 0;

/** The bank's clock may run apart from the browser's: a suite can be started at any moment. */
export function setBusinessTime(instant: string): void {
  ahead = new Date(instant).getTime() - Date.now();
}

/** Now by the bank's clock. */
export function businessNow(): Date {
  return new Date(Date.now() + ahead);
}

/** The instant that somebody means who picks a date and an hour: the bank's, wherever the browser is. */
export function toInstant(picked: Dayjs): string {
  return `${picked.format("YYYY-MM-DDTHH:mm:ss")}${BANK_OFFSET}`;
}

/** What a picker shows for an instant: the date and the hour in the bank. */
export function toPicked(instant: string | Date): Dayjs {
  const wall = new Date(instant).toLocaleString("sv-SE", { timeZone: BANK_ZONE });
  return dayjs(wall.replace(" ", "T"));
}
