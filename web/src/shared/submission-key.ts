import { useRef } from "react";
import { idempotencyKey } from "../api/client";

/**
 * A key for what is being sent. The same content keeps its key, so that sending it again after a lost answer has one
 * effect; other content is another submission.
 */
export function useSubmissionKey(): (content: unknown) => string {
  const last = useRef({ content: "", key: "" });
  return (content) => {
    const written = JSON.stringify(content);
    if (last.current.key === "" || last.current.content !== written) {
      last.current = { content: written, key: idempotencyKey() };
    }
    return last.current.key;
  };
}
