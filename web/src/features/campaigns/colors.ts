/** One colour per state of a campaign, the same in lists and on its page. */
export const CAMPAIGN_COLORS = {
  draft: "default",
  in_review: "gold",
  running: "green",
  finished: "blue",
} as const;
