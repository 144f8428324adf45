/** One colour per state of a complaint, the same in lists and on its page. */
export const COMPLAINT_COLORS = {
  received: "gold",
  accepted: "blue",
  not_a_complaint: "default",
  investigating: "geekblue",
  paused: "purple",
  decided: "cyan",
  notified: "green",
  in_review: "magenta",
  closed: "default",
  withdrawn: "default",
} as const;
