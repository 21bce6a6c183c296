import { defineConfig, devices } from "@playwright/test";

// The tests start the whole system themselves; see support/stack.ts for what they need to be told.
export default defineConfig({
  testDir: "tests",
  globalSetup: "./support/global-setup.ts",
  outputDir: "test-results",
  // Lists what failed at its end: where only the last lines of a log are at hand, they say why.
  reporter: process.env.CI ? [["list"], ["html", { open: "never" }]] : [["list"]],
  fullyParallel: true,
  workers: 2,
  forbidOnly: true,
  retries: 0,
  // Long enough for the longest on a machine that has other things to do: a test that passes does not wait for it.
  timeout: 120_000,
  expect: { timeout: 30_000 },
  use: {
    ...devices["Desktop Chrome"],
    viewport: { width: 1360, height: 860 },
    trace: process.env.CI ? "off" : "retain-on-failure",
    screenshot: "only-on-failure",
    launchOptions: {
      executablePath: process.env.KUBEWISE_E2E_CHROMIUM ?? "/usr/bin/chromium",
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
  projects: [
    { name: "js-on", grepInvert: /@js-off/ },
    { name: "js-off", grepInvert: /@js-on/, use: { javaScriptEnabled: false } },
  ],
});
