import { Alert, Button, Flex } from "antd";
import { useTranslation } from "react-i18next";
import { problemOf } from "../api/problem";

/** What went wrong, in the reader's language, with the trace id that support asks for. */
export function ProblemAlert({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const { t } = useTranslation();
  const problem = problemOf(error);
  const title = problem.title === "" ? t("problem.offline") : problem.title;
  return (
    <Alert
      type="error"
      showIcon
      role="alert"
      title={title}
      description={
        <Flex vertical gap={4}>
          {problem.detail && <span>{problem.detail}</span>}
          {problem.errors?.map((field) => (
            <span key={`${field.pointer}:${field.code}`}>
              <code>{field.pointer}</code> {field.detail}
            </span>
          ))}
          {problem.trace_id && (
            <span className="secondary">
              {t("problem.trace")}: {problem.trace_id}
            </span>
          )}
        </Flex>
      }
      action={
        onRetry && (
          <Button size="small" onClick={onRetry}>
            {t("problem.retry")}
          </Button>
        )
      }
    />
  );
}
