import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext } from "react";
import { requestHeaders, setCsrfToken } from "../api/client";
import { ProblemError, readProblem } from "../api/problem";
import type { Answer } from "../api/types";
import { currentLanguage } from "../i18n";
import { setBusinessTime } from "../shared/bank-time";

/** Who is logged in, as the gateway knows them. The browser holds no token. */
export type Session = Answer<"/auth/session">;

async function fetchSession(): Promise<Session | null> {
  const response = await fetch("/auth/session", {
    headers: requestHeaders("GET"),
    credentials: "same-origin",
  });
  if (response.status === 401) {
    setCsrfToken(null);
    return null;
  }
  if (!response.ok) {
    throw new ProblemError(await readProblem(response));
  }
  const session = (await response.json()) as Session;
  setCsrfToken(session.csrf_token);
  setBusinessTime(session.business_time);
  return session;
}

const SessionContext = createContext<Session | null>(null);

export function useSessionQuery() {
  return useQuery({ queryKey: ["session"], queryFn: fetchSession, staleTime: 60_000, retry: false });
}

export function SessionProvider({ session, children }: { session: Session; children: ReactNode }) {
  return <SessionContext value={session}>{children}</SessionContext>;
}

/** The log-in of whoever looks at the page; only below `SessionProvider`. */
export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === null) {
    throw new Error("useSession stands outside SessionProvider");
  }
  return session;
}

export function usePermission(permission: string): boolean {
  return useSession().permissions.includes(permission);
}

/** Where log-in starts, in the language of the console; the gateway comes back to the page that was asked for. */
export function loginAddress(returnTo: string): string {
  return `/auth/login?return_to=${encodeURIComponent(returnTo)}&ui_locales=${currentLanguage()}`;
}

export function useLogout(): () => Promise<void> {
  const queries = useQueryClient();
  return async () => {
    await fetch("/auth/logout", {
      method: "POST",
      headers: requestHeaders("POST"),
      credentials: "same-origin",
    });
    setCsrfToken(null);
    queries.clear();
    window.location.assign("/");
  };
}
