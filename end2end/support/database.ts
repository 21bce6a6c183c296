// The server's own PostgreSQL, for what a test cannot wait for: time that passes.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";

import { stack } from "./stack.ts";

/** Runs a statement as the schema's owner. */
export function sql(statement: string) {
  const data = path.join(stack().folder, "data");
  const passwords = JSON.parse(readFileSync(path.join(data, "postgres-passwords.json"), "utf8")) as Record<string, string>;
  // The socket's folder is written in the file that PostgreSQL keeps while it runs (lines 4 and 5: port and folder).
  const [, , , port, folder] = readFileSync(path.join(data, "postgres/data/postmaster.pid"), "utf8").split("\n");
  execFileSync("psql", ["-h", folder!, "-p", port!, "-U", "kubewise_owner", "-d", "kubewise", "-q", "-v", "ON_ERROR_STOP=1", "-c", statement], {
    env: { ...process.env, PGPASSWORD: passwords["kubewise_owner"]! },
    stdio: ["ignore", "ignore", "inherit"],
  });
}
