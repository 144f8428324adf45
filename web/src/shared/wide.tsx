import type { ReactNode } from "react";

/** Holds a table that may be wider than the page; it is scrolled with the keyboard, too. */
export function Wide({ label, children }: { label: string; children: ReactNode }) {
  return (
    <section className="wide" aria-label={label} tabIndex={0}>
      {children}
    </section>
  );
}
