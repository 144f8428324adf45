import { Alert, Card, Flex, Progress, Tag, Typography } from "antd";
import { useTranslation } from "react-i18next";
import type { Answer } from "../../api/types";
import { currentLanguage } from "../../i18n";
import { businessNow } from "../../shared/bank-time";
import { urgency } from "./deadline";

type Reading = Answer<"/api/v1/complaints/{complaint_id}/clock">["clocks"][number];

const STROKES = { late: "#b3261e", soon: "#b26a00", calm: "#0f4c81" } as const;

/** One clock in the law's words: the day, the rule, who may extend and to what date. */
export function ClockCard({ reading }: { reading: Reading }) {
  const { t } = useTranslation();
  const language = currentLanguage();
  const share = reading.limit === 0 ? 0 : Math.min(100, (reading.used / reading.limit) * 100);
  return (
    <Card
      size="small"
      title={
        <Flex gap={8} align="center" wrap>
          <span>{t(`complaint.${reading.clock}`)}</span>
          <Tag>{reading.rule_id}</Tag>
          <Tag color={reading.overdue ? "red" : "default"}>
            {reading.overdue ? t("complaint.overdue") : t(`clockStatus.${reading.status}`)}
          </Tag>
        </Flex>
      }
    >
      <Flex vertical gap={8}>
        <Progress
          percent={share}
          showInfo={false}
          strokeColor={STROKES[urgency(reading, businessNow())]}
          aria-label={t(`complaint.${reading.clock}`)}
        />
        <Typography.Text>{reading.words[language]}</Typography.Text>
        {reading.provisional && <Alert type="warning" showIcon title={t("complaint.provisional")} />}
        {reading.can_extend.map((offer) => (
          <Typography.Text type="secondary" key={offer.code}>
            {offer.words[language]}
          </Typography.Text>
        ))}
        {reading.review_until && (
          <Typography.Text type="secondary">
            {t("complaint.reviewUntil")} {reading.review_until}
          </Typography.Text>
        )}
      </Flex>
    </Card>
  );
}
