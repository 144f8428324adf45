import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Select, type TableColumnsType, Tag } from "antd";
import { useTranslation } from "react-i18next";
import { api, bodyOf } from "../../api/client";
import type { Item } from "../../api/types";
import { formatCount, formatInstant } from "../../shared/format";
import { Listing, nextCursor } from "../../shared/listing";
import { Page } from "../../shared/page";
import { useStoredState } from "../../shared/stored-state";
import { CAMPAIGN_COLORS } from "./colors";
import { PlanCampaign } from "./plan-form";

type Campaign = Item<"/api/v1/campaigns">;
type State = Campaign["state"];

const STATES: readonly State[] = ["draft", "in_review", "running", "finished"];

function useCampaigns(state: State | null) {
  return useInfiniteQuery({
    queryKey: ["campaigns", state],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam, signal }) =>
      bodyOf(
        await api.GET("/api/v1/campaigns", {
          params: { query: { state: state ?? undefined, cursor: pageParam } },
          signal,
        }),
      ),
    getNextPageParam: nextCursor,
  });
}

/** All campaigns in reach, the newest first. */
export function CampaignsPage() {
  const { t } = useTranslation();
  const [filters, setFilters] = useStoredState<{ state: State | null }>("campaigns.filters", { state: null });
  const pages = useCampaigns(filters.state);
  const columns: TableColumnsType<Campaign> = [
    {
      title: t("campaign.code"),
      dataIndex: "code",
      render: (code: string, row) => (
        <Link to="/campaigns/$campaignId" params={{ campaignId: row.id }}>
          {code}
        </Link>
      ),
    },
    { title: t("campaign.name"), dataIndex: "name" },
    {
      title: t("campaign.state"),
      dataIndex: "state",
      render: (state: State) => <Tag color={CAMPAIGN_COLORS[state]}>{t(`campaignState.${state}`)}</Tag>,
    },
    {
      title: t("campaign.channel"),
      dataIndex: "channel",
      render: (channel: string) => t(`channel.${channel}`),
    },
    {
      title: t("campaign.audience"),
      dataIndex: "audience_size",
      align: "right",
      render: (size: number | null) => <span className="number">{formatCount(size)}</span>,
    },
    { title: t("campaign.endsAt"), dataIndex: "ends_at", render: formatInstant },
  ];
  return (
    <Page
      title={t("rooms.campaigns")}
      subtitle={t("campaign.subtitle")}
      actions={
        <>
          <Select<State | "all">
            aria-label={t("campaign.state")}
            value={filters.state ?? "all"}
            style={{ minWidth: 140 }}
            options={[
              { value: "all", label: t("list.all") },
              ...STATES.map((state) => ({ value: state, label: t(`campaignState.${state}`) })),
            ]}
            onChange={(state) => setFilters({ state: state === "all" ? null : state })}
          />
          <PlanCampaign />
        </>
      }
    >
      <Listing
        pages={pages}
        columns={columns}
        rowKey="id"
        label={t("rooms.campaigns")}
        empty={t("campaign.none")}
      />
    </Page>
  );
}
