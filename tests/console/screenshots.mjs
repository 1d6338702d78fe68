// node screenshots.mjs URL FOLDER MESSAGE-ID: a picture of each page, light, dark and narrow.
import { withBrowser, open } from "./browser.mjs";
import { join } from "node:path";

const [url, folder, message] = process.argv.slice(2);
const PAGES = ["now", "messages", "message/" + message, "destinations", "rules", "test", "setup"];
const LOOKS = [["light", { colorScheme: "light" }], ["dark", { colorScheme: "dark" }], ["narrow", { colorScheme: "light", viewport: { width: 390, height: 844 } }]];

for (const [look, options] of LOOKS)
  await withBrowser(options, async (context) => {
    for (const name of PAGES) {
      const page = await open(context, url + "/#/" + name);
      if (name === "now") await page.waitForTimeout(6000);
      if (name === "destinations") { await page.click("text=Over time"); await page.waitForSelector("text=Last errors"); }
      if (name === "rules") { await page.click("text=Ask the rules"); await page.waitForTimeout(500); }
      await page.waitForTimeout(400);
      const file = join(folder, name.split("/")[0] + "-" + look + ".png");
      await page.screenshot({ path: file, fullPage: true });
      console.log(file);
      await page.close();
    }
  });
