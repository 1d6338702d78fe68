// node check.mjs URL NAME: one check of the console in a real browser. Prints what is wrong, and ends with 1.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFile } from "node:fs/promises";
import { withBrowser, open } from "./browser.mjs";

const [url, name, ...rest] = process.argv.slice(2);
const PAGES = ["now", "messages", "destinations", "rules", "test", "setup"];
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

async function findings(page) {
  await page.evaluate(axe); // by the debugger: the page's own policy would refuse a script
  return page.evaluate(async () => (await window.axe.run(document, { resultTypes: ["violations"] })).violations
    .map((one) => one.id + ": " + one.nodes.map((node) => node.target.join(" ")).slice(0, 3).join(", ")));
}

const checks = {
  // Every page, in both colours and on a telephone: no finding of axe-core, no error, nothing from elsewhere.
  async pages(context, options) {
    for (const path of [...PAGES, "message/" + rest[0]]) {
      const page = await open(context, url + "/#/" + path);
      await page.waitForTimeout(300);
      assert.deepEqual(await findings(page), [], path + " " + JSON.stringify(options));
      assert.deepEqual(page.problems, [], path);
      for (const request of page.requests) assert.equal(new URL(request).origin, new URL(url).origin, request);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), path + ": wider than the window");
      await page.close();
    }
  },

  async now(context) {
    const page = await open(context, url);
    await page.waitForSelector("text=Mail is taken in");
    await page.waitForSelector("text=Held destinations");
    await page.waitForSelector("text=Retry these 40");
    await page.click("text=Retry these 25");
    await page.waitForSelector("text=Retrying 25");
    await page.waitForFunction(() => !document.body.textContent.includes("Retry these 25"), null, { timeout: 20000 });
    assert.ok(await page.isVisible("text=Retry these 40"));
    await page.click("tr:has-text('Retry these 12') >> text=Drop");
    await page.click("text=Undo");
    await page.waitForSelector("text=Nothing was dropped");
  },

  async live(context) {
    const page = await open(context, url + "/#/messages");
    await page.waitForSelector("text=Live tail: on");
    console.log("ready");
    await page.waitForSelector("tr:has-text('This came live')");
    await page.click("text=Live tail: on");
    await page.waitForSelector("text=Live tail: paused");
    await page.fill("input[name=subject]", "came live");
    await page.click("button:has-text('Search')");
    await page.waitForFunction(() => document.querySelectorAll("tr.row").length === 1);
    assert.match(page.url(), /subject=came\+live/);
    await page.click("tr.row");
    await page.waitForSelector("text=Its story");
    await page.waitForSelector("text=10-alias.lua:");
  },

  async rules(context) {
    const page = await open(context, url + "/#/rules");
    await page.fill("textarea[name=text]", "return function(msg) return \"https://tried.example/\" end");
    await page.click("text=Ask the rules");
    await page.waitForSelector("text=https://tried.example/");
    await page.fill("textarea[name=text]", "return {");
    await page.click("text=Ask the rules");
    await page.waitForSelector("pre:has-text('10-alias.lua:1')");
  },

  async test(context) {
    const page = await open(context, url + "/#/test");
    await page.fill("input[name=recipient]", "orders@example.com");
    await page.click("button:has-text('TEST')");
    await page.waitForSelector("text=answered 200", { timeout: 30000 });
  },

  async keys(context) {
    const page = await open(context, url + "/#/now");
    await page.keyboard.press("?");
    await page.waitForSelector("dialog[open]");
    await page.keyboard.press("Escape");
    await page.keyboard.press("/");
    await page.waitForFunction(() => document.activeElement?.name === "sender");
    await page.keyboard.press("Escape");
    await page.waitForSelector("tr.row");
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    await page.keyboard.press("k");
    const id = await page.getAttribute("tr.row[aria-selected=true]", "data-id");
    await page.keyboard.press("Enter");
    await page.waitForSelector("text=Its story");
    assert.ok(page.url().includes(id));
  },

  // Nothing of a mail runs, and nothing is fetched for it.
  async hostile(context) {
    const page = await context.newPage();
    const requests = [], dialogs = [];
    page.on("response", (response) => requests.push(response.url())); // what the policy stops has none
    page.on("dialog", (dialog) => { dialogs.push(dialog.message()); dialog.dismiss(); });
    await page.addInitScript(() => { window.hacked = 0; });
    for (const path of ["messages", "message/" + rest[0], "now", "destinations"]) {
      await page.goto(url + "/#/" + path);
      await page.waitForTimeout(700);
      for (const button of await page.$$("button:has-text('Payload')")) await button.click();
      await page.waitForTimeout(500);
      for (const summary of await page.$$("summary")) await summary.click();
      await page.waitForTimeout(700);
      assert.equal(await page.evaluate(() => window.hacked), 0, path);
      assert.equal(await page.evaluate(() => document.querySelectorAll("main script, main img, main object, main style").length), 0, path);
    }
    assert.deepEqual(dialogs, []);
    for (const request of requests.filter((one) => !one.startsWith("about:") && !one.startsWith("data:")))
      assert.equal(new URL(request).origin, new URL(url).origin, request);
  },
};

const LOOKS = name === "pages" ? [{ colorScheme: "light" }, { colorScheme: "dark" }, { colorScheme: "light", viewport: { width: 390, height: 844 } }] : [{}];
for (const options of LOOKS) await withBrowser(options, (context) => checks[name](context, options));
