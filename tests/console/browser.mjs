// A real browser for the tests of the console. Each use gets a profile of its own.
import { chromium } from "playwright-core";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];

// Calls use(context); options: colorScheme, viewport, ...
export async function withBrowser(options, use) {
  const profile = await mkdtemp(join(tmpdir(), "mxhook-chromium-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium", headless: true, args: FLAGS, viewport: { width: 1280, height: 900 }, ...options,
  });
  context.setDefaultTimeout(20000);
  try {
    await use(context);
  } finally {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  }
}

// A page that keeps what its console said and what its policy stopped.
export async function open(context, url) {
  const page = await context.newPage();
  page.problems = [];
  page.requests = [];
  page.on("console", (message) => { if (message.type() === "error") page.problems.push(message.text()); });
  page.on("pageerror", (error) => page.problems.push(String(error)));
  page.on("request", (request) => page.requests.push(request.url()));
  await page.goto(url);
  await page.waitForSelector("h1");
  return page;
}
