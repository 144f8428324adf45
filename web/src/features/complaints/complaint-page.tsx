import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { Alert, Card, Col, Flex, Row, Tag, Timeline, Typography } from "antd";
import { useTranslation } from "react-i18next";
import { api, bodyOf } from "../../api/client";
import type { Answer, Item } from "../../api/types";
import { Facts } from "../../shared/facts";
import { formatInstant } from "../../shared/format";
import { useColleagueNames, useUnitName } from "../../shared/organization";
import { Page } from "../../shared/page";
import { PageSkeleton } from "../../shared/page-skeleton";
import { ProblemAlert } from "../../shared/problem-alert";
import { ComplaintActions } from "./actions";
import { useCategoryTitle } from "./categories";
import { ClockCard } from "./clock-card";
import { COMPLAINT_COLORS } from "./colors";
import { ExtensionsCard } from "./extensions-card";
import { historyLine } from "./history-line";

type Complaint = Answer<"/api/v1/complaints/{complaint_id}">;
type Entry = Item<"/api/v1/complaints/{complaint_id}/history">;

function useCase(complaintId: string) {
  const params = { path: { complaint_id: complaintId } };
  const complaint = useQuery({
    queryKey: ["complaint", complaintId],
    queryFn: async ({ signal }) =>
      bodyOf(await api.GET("/api/v1/complaints/{complaint_id}", { params, signal })),
  });
  const clock = useQuery({
    queryKey: ["complaint-clock", complaintId],
    refetchInterval: 60_000,
    queryFn: async ({ signal }) =>
      bodyOf(await api.GET("/api/v1/complaints/{complaint_id}/clock", { params, signal })),
  });
  const history = useQuery({
    queryKey: ["complaint-history", complaintId],
    queryFn: async ({ signal }) =>
      bodyOf(await api.GET("/api/v1/complaints/{complaint_id}/history", { params, signal })),
  });
  return { complaint, clock, history };
}

function CaseFacts({ complaint }: { complaint: Complaint }) {
  const { t } = useTranslation();
  const categoryTitle = useCategoryTitle();
  const unitName = useUnitName();
  const { handler_id: handler, accused_staff_id: accused } = complaint;
  const nameOf = useColleagueNames([handler, accused]);
  return (
    <Card>
      <Flex vertical gap={12}>
        <Facts
          items={[
            [t("complaint.kind"), t(`complaintKind.${complaint.kind}`)],
            [t("complaint.category"), categoryTitle(complaint.category)],
            [t("complaint.channel"), t(`channel.${complaint.channel}`)],
            [t("complaint.unit"), unitName(complaint.unit_id)],
            [t("complaint.handler"), nameOf(handler)],
            [t("complaint.receivedAt"), formatInstant(complaint.received_at)],
            ...(accused === null ? [] : [[t("complaint.accused"), nameOf(accused)] as const]),
            [t("complaint.outcome"), complaint.outcome === null ? null : t(`outcomeOf.${complaint.outcome}`)],
            [
              t("complaint.customer"),
              complaint.customer_id === null ? null : (
                <Link
                  key="customer"
                  to="/customers/$customerId"
                  params={{ customerId: complaint.customer_id }}
                >
                  {t("complaint.openCustomer")}
                </Link>
              ),
            ],
          ]}
        />
        {complaint.narrative === null ? (
          <Alert type="info" showIcon title={t("complaint.narrativeWithheld")} />
        ) : (
          <Typography.Paragraph style={{ whiteSpace: "pre-wrap", margin: 0 }}>
            {complaint.narrative}
          </Typography.Paragraph>
        )}
      </Flex>
    </Card>
  );
}

function HistoryEntry({ entry, name }: { entry: Entry; name: string }) {
  const { t } = useTranslation();
  const doer = entry.actor.startsWith("worker:") ? t("complaint.byItself") : entry.actor;
  return (
    <Flex vertical>
      <Typography.Text>{historyLine(entry, t)}</Typography.Text>
      <Typography.Text type="secondary">
        {formatInstant(entry.at)} · {name === "–" ? doer : name}
      </Typography.Text>
      {entry.note && <Typography.Text>{entry.note}</Typography.Text>}
    </Flex>
  );
}

/** One case: what was said, both clocks, the steps that may be taken, and what has happened. */
export function ComplaintPage() {
  const { complaintId } = useParams({ from: "/inside/complaints/$complaintId" });
  const { t } = useTranslation();
  const { complaint, clock, history } = useCase(complaintId);
  const entries = history.data?.items ?? [];
  const nameOf = useColleagueNames(entries.map((entry) => entry.staff_id));
  if (complaint.error) {
    return <ProblemAlert error={complaint.error} onRetry={() => void complaint.refetch()} />;
  }
  if (!complaint.data) {
    return <PageSkeleton />;
  }
  const readings = clock.data?.clocks ?? [];
  return (
    <Page
      title={complaint.data.complaint_number}
      badge={
        <Tag color={COMPLAINT_COLORS[complaint.data.state]}>
          {t(`complaintState.${complaint.data.state}`)}
        </Tag>
      }
      actions={<ComplaintActions complaint={complaint.data} />}
    >
      <Row gutter={[16, 16]}>
        <Col xs={24} xl={14}>
          <Flex vertical gap={16}>
            <CaseFacts complaint={complaint.data} />
            <Card title={t("complaint.history")} size="small">
              {history.error && <ProblemAlert error={history.error} />}
              <Timeline
                items={entries.map((entry) => ({
                  key: entry.position,
                  content: <HistoryEntry entry={entry} name={nameOf(entry.staff_id)} />,
                }))}
              />
            </Card>
          </Flex>
        </Col>
        <Col xs={24} xl={10}>
          <Flex vertical gap={16}>
            {clock.error && <ProblemAlert error={clock.error} onRetry={() => void clock.refetch()} />}
            {readings.map((reading) => (
              <ClockCard key={reading.clock} reading={reading} />
            ))}
            {readings.length > 0 && (
              <ExtensionsCard
                complaintId={complaintId}
                offers={readings.flatMap((reading) => reading.can_extend)}
              />
            )}
          </Flex>
        </Col>
      </Row>
    </Page>
  );
}
