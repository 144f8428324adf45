import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { Card, Col, Flex, Input, Row, Skeleton, Tag, Typography } from "antd";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { api, bodyOf } from "../../api/client";
import type { Item } from "../../api/types";
import { usePermission, useSession } from "../../app/session";
import { businessNow } from "../../shared/bank-time";
import { formatInstant } from "../../shared/format";
import { Page } from "../../shared/page";
import { Permitted } from "../../shared/permitted";
import { ProblemAlert } from "../../shared/problem-alert";
import { Rows } from "../../shared/rows";
import { useStoredState } from "../../shared/stored-state";
import { CAMPAIGN_COLORS } from "../campaigns/colors";
import { useCategoryTitle } from "../complaints/categories";
import { COMPLAINT_COLORS } from "../complaints/colors";
import { DeadlineTag } from "../complaints/deadline";
import { FIRST_FILTERS, type Filters } from "../customers/filters";

type Complaint = Item<"/api/v1/complaints">;
type Campaign = Item<"/api/v1/campaigns">;

const SHOWN = 8;

interface Work<Entry> {
  data: Entry[] | undefined;
  error: unknown;
  refetch: () => unknown;
}

/** One kind of work: what there is to do, or what it means that there is nothing. */
function WorkCard<Entry>({
  title,
  empty,
  all,
  work,
  children,
}: {
  title: string;
  empty: string;
  all: ReactNode;
  work: Work<Entry>;
  children: (entry: Entry) => ReactNode;
}) {
  return (
    <Card size="small" title={title} extra={all}>
      {work.error ? (
        <ProblemAlert error={work.error} onRetry={() => void work.refetch()} />
      ) : work.data === undefined ? (
        <Skeleton title={false} paragraph={{ rows: 3 }} />
      ) : (
        <Rows empty={empty}>{work.data.map(children)}</Rows>
      )}
    </Card>
  );
}

function useComplaints(which: { mine?: boolean; state?: Complaint["state"] }) {
  return useQuery({
    queryKey: ["complaints", "today", which],
    refetchInterval: 30_000,
    queryFn: async ({ signal }) =>
      bodyOf(
        await api.GET("/api/v1/complaints", {
          params: { query: { ...which, open: true, limit: SHOWN } },
          signal,
        }),
      ).items,
  });
}

function ComplaintsCard({
  title,
  empty,
  which,
}: {
  title: string;
  empty: string;
  which: Parameters<typeof useComplaints>[0];
}) {
  const { t } = useTranslation();
  const categoryTitle = useCategoryTitle();
  return (
    <WorkCard
      title={title}
      empty={empty}
      all={<Link to="/complaints">{t("today.queue")}</Link>}
      work={useComplaints(which)}
    >
      {(complaint) => (
        <Flex key={complaint.complaint_id} gap={8} wrap align="center">
          <Link to="/complaints/$complaintId" params={{ complaintId: complaint.complaint_id }}>
            {complaint.complaint_number}
          </Link>
          <Tag color={COMPLAINT_COLORS[complaint.state]}>{t(`complaintState.${complaint.state}`)}</Tag>
          <DeadlineTag deadline={complaint.statutory} brief />
          <Typography.Text type="secondary">{categoryTitle(complaint.category)}</Typography.Text>
        </Flex>
      )}
    </WorkCard>
  );
}

function CampaignsCard({ title, empty, state }: { title: string; empty: string; state: Campaign["state"] }) {
  const { t } = useTranslation();
  const work = useQuery({
    queryKey: ["campaigns", "today", state],
    refetchInterval: 30_000,
    queryFn: async ({ signal }) =>
      bodyOf(await api.GET("/api/v1/campaigns", { params: { query: { state, limit: SHOWN } }, signal }))
        .items,
  });
  return (
    <WorkCard
      title={title}
      empty={empty}
      all={<Link to="/campaigns">{t("today.allCampaigns")}</Link>}
      work={work}
    >
      {(campaign) => (
        <Flex key={campaign.id} gap={8} wrap align="center">
          <Link to="/campaigns/$campaignId" params={{ campaignId: campaign.id }}>
            {campaign.name}
          </Link>
          <Tag color={CAMPAIGN_COLORS[campaign.state]}>{t(`campaignState.${campaign.state}`)}</Tag>
          <Typography.Text type="secondary">
            {t("campaign.endsAt")} {formatInstant(campaign.ends_at)}
          </Typography.Text>
        </Flex>
      )}
    </WorkCard>
  );
}

/** Finding a customer is what most work begins with. */
function FindCustomer() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const [, setFilters] = useStoredState<Filters>("customers.filters", FIRST_FILTERS);
  return (
    <Input.Search
      size="large"
      aria-label={t("customer.search")}
      placeholder={t("customer.search")}
      onSearch={(typed) => {
        setFilters({ ...FIRST_FILTERS, q: typed.trim() });
        void navigate({ to: "/customers" });
      }}
      style={{ maxWidth: 520 }}
    />
  );
}

/** What is to be done today by whoever has logged in, the most pressing first. */
export function TodayPage() {
  const { t } = useTranslation();
  const session = useSession();
  const handles = usePermission("complaint:write") && session.staff_id !== null;
  const cards: ReactNode[] = [
    handles && (
      <ComplaintsCard
        key="mine"
        title={t("today.myCases")}
        empty={t("today.noCasesOfMine")}
        which={{ mine: true }}
      />
    ),
    usePermission("complaint:read") && (
      <ComplaintsCard
        key="received"
        title={t("today.untaken")}
        empty={t("today.noneUntaken")}
        which={{ state: "received" }}
      />
    ),
    usePermission("campaign:review") && (
      <CampaignsCard
        key="review"
        title={t("today.toReview")}
        empty={t("today.noneToReview")}
        state="in_review"
      />
    ),
    usePermission("campaign:write") && (
      <CampaignsCard key="drafts" title={t("today.drafts")} empty={t("today.noDrafts")} state="draft" />
    ),
    usePermission("campaign:read") && (
      <CampaignsCard
        key="running"
        title={t("today.running")}
        empty={t("today.noneRunning")}
        state="running"
      />
    ),
  ].filter(Boolean);
  return (
    <Page title={t("rooms.today")} subtitle={formatInstant(businessNow().toISOString())}>
      <Permitted permission="customer:read">
        <FindCustomer />
      </Permitted>
      <Row gutter={[16, 16]}>
        {cards.map((card, position) => (
          // The cards follow from the role alone: their order never changes.
          // biome-ignore lint/suspicious/noArrayIndexKey: see above
          <Col key={position} xs={24} xl={12}>
            {card}
          </Col>
        ))}
      </Row>
    </Page>
  );
}
