// Nobody sees or touches what belongs to an organisation they are not a member of, by page or by server function.
import { randomUUID } from "node:crypto";

import { stack } from "../support/stack.ts";
import { expect, residentCluster, signIn, signUp, someone, test, visit } from "../support/test.ts";

test("another organisation's pages are not there", async ({ page, provoked, browser }) => {
  provoked.add(404);
  const own = someone("Outsider");
  await signUp(page, own);

  // One object of the resident's, found as the resident.
  const theirs = await browser.newContext();
  const resident = await theirs.newPage();
  await signIn(resident, stack().resident);
  await resident.goto(`${stack().url}${residentCluster()}/workloads`);
  const object = new URL((await resident.locator("a.row-link").first().getAttribute("href"))!, stack().url).pathname;
  await theirs.close();

  const cluster = residentCluster();
  const pages = [
    `/o/${stack().resident.slug}/`,
    `/o/${stack().resident.slug}/clusters`,
    `/o/${stack().resident.slug}/search?q=a`,
    `/o/${stack().resident.slug}/vulnerabilities?q=CVE-2023-45853`,
    `/o/${stack().resident.slug}/events`,
    ...["", "/install", "/applications", "/workloads", "/images", "/vulnerabilities", "/nodes", "/namespaces", "/resources", "/settings"].map(
      (tab) => cluster + tab,
    ),
    object,
    // Their cluster and object under one's own organisation.
    cluster.replace(stack().resident.slug, own.slug),
    object.replace(stack().resident.slug, own.slug),
    // What never was.
    `/o/${own.slug}/clusters/${randomUUID()}`,
    `/o/${own.slug}/clusters/not-an-id`,
    `/o/nobody-has-this/`,
  ];
  for (const path of pages) {
    const response = await page.request.get(path, { headers: { accept: "text/html" } });
    expect(response.status(), path).toBe(404);
    const text = await response.text();
    expect(text, path).not.toContain("Northwind");
    expect(text, path).not.toContain("eu-prod");
  }
  await visit(page, cluster);
  await expect(page.getByRole("heading", { name: "Nothing here" })).toBeVisible();
});

test("another organisation's server functions answer as if nothing were there", async ({ page }) => {
  const own = someone("Prober");
  await signUp(page, own);
  const { resident, url } = stack();
  const org = resident.slug;
  const cluster = resident.cluster;
  const query = {};
  const reads: Record<string, object> = {
    frame: { org },
    overview: { org },
    clusters: { org, query },
    search: { org, query: { q: "a" } },
    cluster: { org, cluster },
    install: { org, cluster },
    install_status: { org, cluster },
    applications: { org, cluster, query },
    workloads: { org, cluster, query },
    images: { org, cluster, query },
    vulnerabilities: { org, cluster, query },
    vulnerable: { org, query: { q: "CVE-2023-45853" } },
    nodes: { org, cluster, query },
    namespaces: { org, cluster, query },
    resources: { org, cluster, query },
    resource: { org, cluster, uid: randomUUID() },
    organisation_data: { org },
  };
  const writes: Record<string, Record<string, string>> = {
    add_cluster: { org, name: "mine-now" },
    rename_cluster: { org, cluster, name: "mine-now" },
    rotate_token: { org, cluster },
    revoke_token: { org, cluster },
    delete_cluster: { org, cluster, confirmation: "eu-prod" },
    set_history: { org, days: "30" },
    delete_organisation: { org, organisation: "Northwind Retail", when: "now" },
    keep_organisation: { org },
  };
  const origin = { origin: url };
  for (const target of [org, own.slug]) {
    for (const [name, body] of Object.entries(reads)) {
      if (target === own.slug && !("cluster" in body)) continue;
      const response = await page.request.post(`/api/${name}`, { headers: origin, data: { ...body, org: target } });
      expect(response.status(), `${name} in ${target}`).toBe(404);
    }
    for (const [name, form] of Object.entries(writes)) {
      if (target === own.slug && !("cluster" in form)) continue;
      const response = await page.request.post(`/api/${name}`, { headers: origin, form: { ...form, org: target } });
      expect(response.status(), `${name} in ${target}`).toBe(404);
    }
  }
});

test("server functions refuse who is signed out, and who comes from elsewhere", async ({ page, request }) => {
  const { resident, url } = stack();
  const data = { org: resident.slug };
  expect((await request.post("/api/overview", { headers: { origin: url }, data })).status()).toBe(401);

  await signIn(page, resident);
  expect((await page.request.post("/api/overview", { headers: { origin: url }, data })).status()).toBe(200);
  for (const origin of ["https://evil.example", "null", `${url}.evil.example`]) {
    const response = await page.request.post("/api/overview", { headers: { origin }, data });
    expect(response.status(), origin).toBe(403);
  }
});
