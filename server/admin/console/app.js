// Which page is shown, by the address after "#": every filter stands in it, so that it can be sent to somebody.
import { get, post, ApiError } from "./api.js";
import { h, fill, toast } from "./dom.js";
import { now } from "./now.js";
import { messages, message } from "./messages.js";
import { destinations } from "./destinations.js";
import { rules } from "./rules.js";
import { test, setup } from "./try.js";

const PAGES = [
  ["now", "Now", now], ["messages", "Messages", messages], ["destinations", "Destinations", destinations],
  ["rules", "Rules", rules], ["test", "Test", test], ["setup", "Set-up", setup], ["message", null, message],
];
const page = document.getElementById("page");
let leave = null, shown = 0;

function place() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  return { name: path.split("/")[0] || "now", rest: path.split("/").slice(1).map(decodeURIComponent), query: new URLSearchParams(query || "") };
}

export function go(path, query) {
  const text = new URLSearchParams(Object.entries(query || {}).filter(([, value]) => value)).toString();
  location.hash = "#/" + path + (text ? "?" + text : "");
}

function drawNav(name) {
  fill(document.getElementById("nav"), PAGES.filter(([, title]) => title).map(([id, title]) =>
    h("a", { href: "#/" + id, "aria-current": (name === "message" ? "messages" : name) === id && "page" }, title)));
}

function login(error) {
  const user = h("input", { name: "user", autocomplete: "username", required: true });
  const password = h("input", { name: "password", type: "password", autocomplete: "current-password", required: true });
  const enter = async (event) => {
    event.preventDefault();
    try {
      await post("login", { user: user.value, password: password.value });
      show();
    } catch (wrong) { login(wrong.message); }
  };
  fill(page, h("h1", {}, "Log in"), h("form", { class: "card", onsubmit: enter }, h("div", { class: "filters" },
    h("label", {}, "Name", user), h("label", {}, "Password", password), h("button", { class: "main" }, "Log in")),
    error && h("p", { role: "alert" }, error)));
  user.focus();
}

async function drawWho() {
  const who = await get("whoami");
  fill(document.getElementById("who"), who.login && who.name ? [who.name + " (" + who.role + ") ",
    h("button", { onclick: async () => { await post("logout"); show(); } }, "Log out")] : null);
  return who;
}

async function show() {
  const at = place(), mine = ++shown;
  const found = PAGES.find(([id]) => id === at.name) || PAGES[0];
  if (leave) leave();
  leave = null;
  drawNav(found[0]);
  document.title = (found[1] || "Message") + " – mxhook";
  try {
    const who = await drawWho();
    if (!who.role) return login();
    const box = h("div", {});
    const left = await found[2](box, { ...at, role: who.role, go });
    if (mine !== shown) return left && left();
    leave = left;
    fill(page, box);
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return login();
    fill(page, h("div", { class: "card", role: "alert" }, h("h1", {}, "That did not work"), h("p", {}, error.message),
      h("button", { onclick: show }, "Again")));
  }
}

// ---- Keys

const KEYS = [["/", "search"], ["j, k", "next and previous row"], ["Enter", "open the row"], ["r", "refresh"], ["g, then n m d u t s", "go to a page"], ["?", "these keys"]];

function showKeys() {
  const dialog = document.getElementById("keys");
  fill(dialog, h("h2", { id: "keys-title" }, "Keys"), h("dl", {}, KEYS.map(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)])),
    h("div", { class: "bar" }, h("button", { onclick: () => dialog.close() }, "Close")));
  dialog.showModal();
}

function move(step) {
  const rows = [...page.querySelectorAll("tr.row")];
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.getAttribute("aria-selected") === "true");
  const next = rows[Math.max(0, Math.min(rows.length - 1, at + step))];
  rows.forEach((row) => row.removeAttribute("aria-selected"));
  next.setAttribute("aria-selected", "true");
  next.scrollIntoView({ block: "nearest" });
}

let went = false;
const GO = { n: "now", m: "messages", d: "destinations", u: "rules", t: "test", s: "setup" };

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (went && GO[event.key]) { went = false; return go(GO[event.key]); }
  went = event.key === "g";
  if (event.key === "/") {
    event.preventDefault();
    const search = page.querySelector("[data-search]");
    if (search) search.focus(); else go("messages", { focus: "1" });
  } else if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else if (event.key === "r") show();
  else if (event.key === "?") showKeys();
  else if (event.key === "Enter") page.querySelector("tr.row[aria-selected=true]")?.click();
});

addEventListener("hashchange", show);
addEventListener("unhandledrejection", (event) => toast(event.reason?.message || "That did not work"));
show();
