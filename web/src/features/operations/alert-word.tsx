import { Tag } from "antd";
import { useTranslation } from "react-i18next";
import type { Alert } from "./health";

const COLORS = { ok: "green", ticket: "orange", page: "red", unknown: "default" } as const;

/** How urgent a figure is, in a word: the word of its alert rule. */
export function AlertWord({ state }: { state: Alert["state"] }) {
  const { t } = useTranslation();
  return (
    <Tag color={COLORS[state]} style={{ margin: 0 }}>
      {t(`alertState.${state}`)}
    </Tag>
  );
}
