import { Card, Flex, Typography } from "antd";
import { useTranslation } from "react-i18next";
import { formatMoment } from "../../shared/format";
import { AlertWord } from "./alert-word";
import { type Alert, beyondOf, formatFigure, type ServiceState } from "./health";

function Line({ service, alert }: { service: string; alert: Alert }) {
  const { t } = useTranslation();
  return (
    <Flex component="li" gap={8} align="baseline" wrap>
      <AlertWord state={alert.state} />
      <span>
        {t(`serviceName.${service}`, { defaultValue: service })} ·{" "}
        {t(`alert.${alert.alert}`, { defaultValue: alert.alert })}
        {alert.of && ` · ${alert.of}`}
      </span>
      <span className="number secondary">
        {t("operations.beyond", {
          figure: formatFigure(alert.alert, alert.figure),
          threshold: formatFigure(alert.alert, alert.threshold),
        })}
      </span>
    </Flex>
  );
}

/** What somebody has to do something about, of all services, and when that was read. */
export function Urgent({ states, readAt }: { states: readonly ServiceState[]; readAt: number }) {
  const { t } = useTranslation();
  const beyond = beyondOf(states);
  const away = states.filter((state) => state.status === "unavailable");
  return (
    <Card
      size="small"
      title={t("operations.urgent")}
      extra={
        <Typography.Text type="secondary" className="number">
          {t("operations.readAt", { at: formatMoment(new Date(readAt).toISOString()) })}
        </Typography.Text>
      }
    >
      {beyond.length + away.length === 0 ? (
        <Typography.Text type="secondary">{t("operations.nothingUrgent")}</Typography.Text>
      ) : (
        <Flex component="ul" vertical gap={6} style={{ margin: 0, padding: 0, listStyle: "none" }}>
          {away.map(({ service }) => (
            <Flex key={service} component="li" gap={8} align="baseline" wrap>
              <AlertWord state="page" />
              {t(`serviceName.${service}`, { defaultValue: service })} · {t("operations.down")}
            </Flex>
          ))}
          {beyond.map(({ service, alert }) => (
            <Line key={`${service} ${alert.alert} ${alert.of ?? ""}`} service={service} alert={alert} />
          ))}
        </Flex>
      )}
    </Card>
  );
}
