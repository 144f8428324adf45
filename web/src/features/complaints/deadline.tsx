import { Tag, Tooltip } from "antd";
import { useTranslation } from "react-i18next";
import type { Item } from "../../api/types";
import { businessNow } from "../../shared/bank-time";
import { formatInstant } from "../../shared/format";

export type Deadline = NonNullable<Item<"/api/v1/complaints">["statutory"]>;

const SOON_HOURS = 72;

/** How pressing a deadline is; a stopped or paused clock presses nobody. */
export function urgency(
  deadline: Pick<Deadline, "status" | "overdue" | "due_at">,
  now: Date,
): "late" | "soon" | "calm" {
  if (deadline.overdue) {
    return "late";
  }
  const hoursLeft = (new Date(deadline.due_at).getTime() - now.getTime()) / 3_600_000;
  return deadline.status === "running" && hoursLeft < SOON_HOURS ? "soon" : "calm";
}

const COLORS = { late: "red", soon: "orange", calm: "default" } as const;

/**
 * A due date that names its rule, since "due" alone does not say by whose clock; where the place says that already, as
 * a column of a list does, `brief` leaves the rule to whoever points at it.
 */
export function DeadlineTag({ deadline, brief = false }: { deadline: Deadline | null; brief?: boolean }) {
  const { t } = useTranslation();
  if (deadline === null) {
    return <span>–</span>;
  }
  const hints = [
    ...(brief ? [deadline.rule_id] : []),
    ...(deadline.provisional ? [t("complaint.provisional")] : []),
  ];
  return (
    <Tooltip title={hints.length > 0 ? hints.join(" · ") : undefined}>
      <Tag color={COLORS[urgency(deadline, businessNow())]}>
        {!brief && `${deadline.rule_id} · `}
        {deadline.due_on ?? formatInstant(deadline.due_at)}
        {deadline.status !== "running" && ` · ${t(`clockStatus.${deadline.status}`)}`}
        {deadline.overdue && ` · ${t("complaint.overdue")}`}
      </Tag>
    </Tooltip>
  );
}
