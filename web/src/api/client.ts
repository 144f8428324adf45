import createClient, { type Middleware } from "openapi-fetch";
import { currentLanguage } from "../i18n";
import { ProblemError, readProblem } from "./problem";
import type { paths } from "./schema";

const SAFE = new Set(["GET", "HEAD", "OPTIONS"]);

let csrfToken: string | null = null;

/** The session's token that every write carries in a header, so that another site cannot write. */
export function setCsrfToken(token: string | null): void {
  csrfToken = token;
}

/** Headers that every request to the gateway has. */
export function requestHeaders(method: string): Record<string, string> {
  const headers: Record<string, string> = { "Accept-Language": currentLanguage() };
  if (!SAFE.has(method.toUpperCase()) && csrfToken !== null) {
    headers["X-CSRF-Token"] = csrfToken;
  }
  return headers;
}

const house: Middleware = {
  onRequest({ request }) {
    for (const [name, value] of Object.entries(requestHeaders(request.method))) {
      request.headers.set(name, value);
    }
    return request;
  },
  async onResponse({ response }) {
    if (!response.ok) {
      throw new ProblemError(await readProblem(response));
    }
    return response;
  },
};

export const api = createClient<paths>({ baseUrl: "/", credentials: "same-origin" });
api.use(house);

/** The body of an answer that came back without a problem. */
export function bodyOf<T>(answer: { data?: T }): T {
  if (answer.data === undefined) {
    throw new ProblemError({ status: 0, code: "console.unreadable", title: "" });
  }
  return answer.data;
}

/** A key for one write: sent again after a lost answer, it has one effect. */
export function idempotencyKey(): string {
  return crypto.randomUUID();
}
