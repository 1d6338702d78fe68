// node check.mjs URL: checks of the console in a real browser, one browser for all of them. Each line of standard input names
// a check and its arguments, in JSON; each is answered by a line, in JSON: its name, and "ok" or what is wrong.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { readFile } from "node:fs/promises";
import { withBrowser, open } from "./browser.mjs";

const url = process.argv[2];
const PAGES = ["now", "messages", "destinations", "rules", "test", "setup"];
const LOOKS = [["light", 1280], ["dark", 1280], ["light", 390]];
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

async function findings(page) {
  return page.evaluate(async () => (await window.axe.run(document, { resultTypes: ["violations"] })).violations
    .map((one) => one.id + ": " + one.nodes.map((node) => node.target.join(" ")).slice(0, 3).join(", ")));
}

let asked = "";

function say(answer) {
  console.log(JSON.stringify([asked, answer]));
}

const checks = {
  // Every page, in both colours and on a telephone: no finding of axe-core, no error, nothing from elsewhere.
  async pages(context, story) {
    for (const path of [...PAGES, "message/" + story]) {
      const page = await open(context, url + "/#/" + path);
      await page.evaluate(axe); // by the debugger: the page's own policy would refuse a script
      for (const [colorScheme, width] of LOOKS) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize({ width, height: 900 });
        assert.deepEqual(await findings(page), [], path + " " + colorScheme + " " + width);
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), path + ": wider than the window");
      }
      assert.deepEqual(page.problems, [], path);
      for (const request of page.requests) assert.equal(new URL(request).origin, new URL(url).origin, request);
      await page.close();
    }
  },

  async now(context) {
    const page = await open(context, url);
    await page.waitForSelector("text=Mail is taken in");
    await page.waitForSelector("text=Held destinations");
    await page.waitForSelector("text=connection refused"); // the last answer of the one that is held
    await page.waitForSelector("text=Retry these 300");
    await page.click("text=Retry these 140");
    await page.waitForSelector("text=Retrying 140");
    await page.waitForFunction(() => !document.body.textContent.includes("Retry these 140"));
    assert.ok(await page.isVisible("text=Retry these 300"));
    await page.click("tr:has-text('Retry these 60') >> text=Drop");
    await page.click("text=Undo");
    await page.waitForSelector("text=Nothing was dropped");
    await page.close();
  },

  async errors(context) {
    const page = await open(context, url + "/#/destinations");
    await page.click("tr:has-text('connect ×') >> text=Over time");
    await page.waitForSelector("text=Last errors");
    await page.waitForSelector("td:has-text('onnection refused')");
    await page.click("td >> text=waiting");
    await page.waitForSelector("text=Its story");
    await page.close();
  },

  // Says "ready" when it watches, so that a mail may come.
  async live(context) {
    const page = await open(context, url + "/#/messages");
    await page.waitForSelector("text=Live tail: on");
    say("ready");
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
    await page.close();
  },

  async rules(context) {
    const page = await open(context, url + "/#/rules");
    await page.fill("textarea[name=text]", "return function(msg) return \"https://tried.example/\" end");
    await page.click("text=Ask the rules");
    await page.waitForSelector("text=https://tried.example/");
    await page.fill("textarea[name=text]", "return function(msg) error('not that one') end");
    await page.click("text=Ask the rules");
    await page.waitForSelector("td:has-text('10-alias.lua:1: not that one')");
    await page.fill("textarea[name=text]", "return {");
    await page.click("text=Ask the rules");
    await page.waitForSelector("pre:has-text('10-alias.lua:1')");
    await page.close();
  },

  // Which of the messages of the history would go elsewhere.
  async whatIf(context) {
    const page = await open(context, url + "/#/rules");
    await page.selectOption("select[name=file]", "05-what-if.lua");
    await page.fill("textarea[name=text]", "return function(msg) if msg.subject == 'Order no. 3' then return 'https://vip.example/' end end");
    await page.click("text=What if?");
    await page.waitForSelector("text=/1 would go elsewhere/");
    await page.waitForSelector("td:has-text('https://vip.example/')");
    await page.close();
  },

  // Sends what was delivered again, elsewhere.
  async resend(context, story, to) {
    const page = await open(context, url + "/#/message/" + story);
    await page.click("text=Send again");
    await page.fill("input[name=resend]", to);
    await page.click("dialog button:has-text('Send')");
    await page.waitForSelector("text=It is sent again");
    await page.waitForSelector("text=answered 200");
    await page.close();
  },

  async pause(context, origin) {
    const page = await open(context, url + "/#/destinations");
    await page.click(`tr:has-text("${origin}") >> text=Pause`);
    await page.fill("input[name=reason]", "moves tonight");
    await page.click("dialog button:has-text('Pause')");
    await page.waitForSelector(`tr:has-text("${origin}") >> text=moves tonight`);
    say("paused");
    await page.waitForFunction((name) => [...document.querySelectorAll("tbody tr")].some((row) => row.textContent.includes(name) && row.querySelector("td.number").textContent === "1"), origin);
    await page.click(`tr:has-text("${origin}") >> text=Resume`);
    await page.waitForSelector(`tr:has-text("${origin}") >> text=Pause`);
    await page.close();
  },

  async test(context) {
    const page = await open(context, url + "/#/test");
    await page.fill("input[name=recipient]", "orders@example.com");
    await page.click("button:has-text('TEST')");
    await page.waitForSelector("text=answered 200");
    await page.close();
  },

  async setup(context) {
    const page = await open(context, url + "/#/setup");
    await page.waitForSelector("text=Domains");
    await page.waitForSelector("text=MX 10 mx.test.");
    await page.click("text=Ask DNS");
    await page.waitForSelector("text=/no answer|not there|no such/");
    await page.close();
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
    await page.close();
  },

  // Nothing of a mail runs, and nothing is fetched for it.
  async hostile(context, story) {
    const page = await context.newPage();
    const requests = [], dialogs = [], reports = [];
    page.on("response", (response) => requests.push(response.url())); // what the policy stops has none
    page.on("dialog", (dialog) => { dialogs.push(dialog.message()); dialog.dismiss(); });
    await page.addInitScript(() => {
      window.hacked = 0;
      window.stopped = [];
      document.addEventListener("securitypolicyviolation", (event) => window.stopped.push(event.violatedDirective + " " + event.blockedURI));
    });
    const drawn = { messages: "tr.row", ["message/" + story]: "text=Its story", now: "text=Held destinations", destinations: "main table" };
    for (const [path, what] of Object.entries(drawn)) {
      await page.goto("about:blank"); // or the page before would still be there
      await page.goto(url + "/#/" + path);
      await page.waitForSelector(what);
      // By place, not by element: a page may be drawn anew meanwhile.
      const buttons = page.locator("button:has-text('Payload')"), summaries = page.locator("summary");
      for (let i = 0; i < await buttons.count(); i++) {
        await buttons.nth(i).click();
        await page.waitForSelector("text=Copy as curl");
      }
      for (let i = 0; i < await summaries.count(); i++) await summaries.nth(i).click();
      for (const frame of page.frames()) await frame.waitForLoadState().catch(() => assert.ok(frame.isDetached()));
      assert.equal(await page.evaluate(() => window.hacked), 0, path);
      assert.equal(await page.evaluate(() => document.querySelectorAll("main script, main img, main object, main style").length), 0, path);
      reports.push(...await page.evaluate(() => window.stopped));
    }
    assert.deepEqual(dialogs, []);
    assert.deepEqual(reports, []); // the pages themselves try nothing that their policy has to stop
    for (const request of requests.filter((one) => !one.startsWith("about:") && !one.startsWith("data:")))
      assert.equal(new URL(request).origin, new URL(url).origin, request);
    await page.close();
  },
};

await withBrowser({}, async (context) => {
  for await (const line of createInterface({ input: process.stdin })) {
    const [name, ...rest] = JSON.parse(line);
    asked = name;
    try {
      await checks[name](context, ...rest);
      say("ok");
    } catch (error) {
      say(String(error.stack || error));
      for (const page of context.pages().slice(1)) await page.close();
    }
  }
});
