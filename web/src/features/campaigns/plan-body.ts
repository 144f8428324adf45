import type { Dayjs } from "dayjs";
import type { components } from "../../api/schema";
import type { Answer } from "../../api/types";
import { toInstant, toPicked } from "../../shared/bank-time";

export type Campaign = Answer<"/api/v1/campaigns/{campaign_id}">;
type CampaignIn = components["schemas"]["CampaignIn"];

/** A plan as its form holds it: named as the API names it, but times as picked and the holdout in percent. */
export interface PlanForm {
  code: string;
  name: string;
  objective: string;
  channel: CampaignIn["channel"];
  purpose: NonNullable<CampaignIn["purpose"]>;
  product_code: string;
  message: string;
  audience: {
    any_of?: string[];
    all_of?: string[];
    none_of?: string[];
    customers_of_unit_id?: string | null;
  };
  holdout_basis_points: number;
  starts_at?: Dayjs | null;
  ends_at: Dayjs;
  conversion_window_days: number;
  target_conversions?: number | null;
  target_amount?: string | null;
}

const BASIS_POINTS_PER_PERCENT = 100;

/** What a form about a new campaign begins with. */
export const NEW_PLAN: Partial<PlanForm> = {
  channel: "sms",
  purpose: "marketing",
  holdout_basis_points: 10,
  conversion_window_days: 30,
};

/** The form of a campaign that is there. */
export function formOf(campaign: Campaign): PlanForm {
  return {
    code: campaign.code,
    name: campaign.name,
    objective: campaign.objective,
    channel: campaign.channel,
    purpose: campaign.purpose,
    product_code: campaign.product_code,
    message: campaign.message,
    audience: campaign.audience,
    holdout_basis_points: campaign.holdout_basis_points / BASIS_POINTS_PER_PERCENT,
    starts_at: toPicked(campaign.starts_at),
    ends_at: toPicked(campaign.ends_at),
    conversion_window_days: campaign.conversion_window_days,
    target_conversions: campaign.target_conversions,
    target_amount: campaign.target_amount,
  };
}

/** The body that plans a campaign as the form says. */
export function planBody(form: PlanForm): CampaignIn {
  return {
    ...form,
    audience: {
      any_of: form.audience.any_of ?? [],
      all_of: form.audience.all_of ?? [],
      none_of: form.audience.none_of ?? [],
      customers_of_unit_id: form.audience.customers_of_unit_id ?? null,
    },
    holdout_basis_points: Math.round(form.holdout_basis_points * BASIS_POINTS_PER_PERCENT),
    starts_at: form.starts_at ? toInstant(form.starts_at) : null,
    ends_at: toInstant(form.ends_at),
    target_conversions: form.target_conversions ?? null,
    target_amount: form.target_amount || null,
  };
}
