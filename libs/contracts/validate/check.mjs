// Exits with 1 when the document is not valid AsyncAPI 3; what is merely advised is printed.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { Parser } from "@asyncapi/parser";

const source = resolve(process.argv[2]);
const { document, diagnostics } = await new Parser().parse(readFileSync(source, "utf8"), { source });
for (const found of diagnostics) {
  console.log(`${found.severity === 0 ? "error" : "advice"} ${found.code} /${found.path.join("/")}: ${found.message}`);
}
if (document === undefined || diagnostics.some((found) => found.severity === 0)) {
  process.exit(1);
}
console.log(`AsyncAPI ${document.version()}: ${document.channels().length} channels, ${document.messages().length} messages`);
