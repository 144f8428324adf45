/** One broken field of a request, as RFC 9457 problems of Kehu name it. */
export interface FieldError {
  pointer: string;
  code: string;
  detail: string;
}

/** The body of a refused request (RFC 9457). */
export interface ProblemBody {
  status: number;
  code: string;
  title: string;
  detail?: string | null;
  trace_id?: string | null;
  errors?: FieldError[] | null;
}

/** A refused or failed request, with what the service said about it. */
export class ProblemError extends Error {
  readonly problem: ProblemBody;

  constructor(problem: ProblemBody) {
    super(problem.detail ?? problem.title);
    this.name = "ProblemError";
    this.problem = problem;
  }
}

const OFFLINE: ProblemBody = { status: 0, code: "console.offline", title: "" };

/** What to show of any failure: a problem as it came, else that the bank's server did not answer. */
export function problemOf(error: unknown): ProblemBody {
  return error instanceof ProblemError ? error.problem : OFFLINE;
}

/** Read a refused answer; a body that is no problem (a proxy's page) keeps its status. */
export async function readProblem(response: Response): Promise<ProblemBody> {
  try {
    const body = (await response.json()) as Partial<ProblemBody>;
    if (typeof body.code === "string" && typeof body.title === "string") {
      return { ...body, status: response.status, code: body.code, title: body.title };
    }
  } catch {
    // Not JSON: the status line is all there is.
  }
  return { status: response.status, code: "console.unreadable", title: response.statusText };
}
