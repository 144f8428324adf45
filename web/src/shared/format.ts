import { currentLanguage } from "../i18n";
import { BANK_ZONE } from "./bank-time";

function locale(): string {
  return currentLanguage() === "zh" ? "zh-CN" : "en-GB";
}

function inBankZone(instant: string, timeStyle: "short" | "medium"): string {
  // Sweden writes ISO 8601: instants read like the calendar dates beside them, in both languages.
  return new Intl.DateTimeFormat("sv-SE", { timeZone: BANK_ZONE, dateStyle: "short", timeStyle }).format(
    new Date(instant),
  );
}

/** An instant in the bank's zone, to the minute. */
export function formatInstant(instant: string | null | undefined): string {
  return instant === null || instant === undefined ? "–" : inBankZone(instant, "short");
}

/** An instant in the bank's zone, to the second. */
export function formatMoment(instant: string): string {
  return inBankZone(instant, "medium");
}

/** A calendar date as it stands; it has no zone. */
export function formatDate(date: string | null | undefined): string {
  return date ?? "–";
}

/** The name of a country by its ISO 3166 code; a code that is none stays as it is. */
export function formatCountry(code: string | null | undefined): string {
  if (code === null || code === undefined) {
    return "–";
  }
  try {
    return new Intl.DisplayNames(locale(), { type: "region" }).of(code) ?? code;
  } catch {
    return code;
  }
}

/** An amount with its currency; the string is never turned into a float that could round it. */
export function formatMoney(amount: string | null | undefined, currency: string | null | undefined): string {
  if (amount === null || amount === undefined) {
    return "–";
  }
  const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(amount);
  if (match === null) {
    return amount;
  }
  const [, sign, whole = "", fraction = ""] = match;
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  const minor = fraction.padEnd(2, "0").replace(/(\d{2})0+$/, "$1");
  return `${sign}${grouped}.${minor} ${currency ?? ""}`.trim();
}

/** A computed amount, an average for instance, to the minor unit; halves are rounded away from zero. */
export function formatRounded(amount: string, currency: string): string {
  const rounded = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  // Given as a string, the number is rounded as it stands and never becomes a float.
  return `${rounded.format(amount as Intl.StringNumericLiteral)} ${currency}`;
}

/** A count with thousands set apart. */
export function formatCount(count: number | null | undefined): string {
  return count === null || count === undefined ? "–" : new Intl.NumberFormat(locale()).format(count);
}

/** A share of the whole as a percentage with one digit; nothing of nothing is a dash. */
export function formatShare(part: number, whole: number): string {
  return whole === 0 ? "–" : `${((part / whole) * 100).toFixed(1)} %`;
}

const SPANS = [
  ["second", 1, 120],
  ["minute", 60, 7_200],
  ["hour", 3_600, 172_800],
  ["day", 86_400, Number.POSITIVE_INFINITY],
] as const;

/** A span of time in the largest unit of which it has two: 90 secs, 5 mins, 24 hrs, 3 days. */
export function formatSpan(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) {
    return "–";
  }
  const [unit, length] = SPANS.find(([, , end]) => seconds < end) ?? SPANS[3];
  return new Intl.NumberFormat(locale(), {
    style: "unit",
    unit,
    unitDisplay: "short",
    maximumFractionDigits: 0,
  }).format(Math.floor(seconds / length));
}
