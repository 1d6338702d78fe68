// Elements from data. Text is only ever text: nothing that a mail holds is read as HTML here.

export function h(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "class") element.className = value;
    else if (key === "value") element.value = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children) {
    if (Array.isArray(child)) append(element, child);
    else if (child !== null && child !== undefined && child !== false)
      element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
}

const SVG = "http://www.w3.org/2000/svg";

export function svg(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
  append(element, children);
  return element;
}

export function tag(text, kind) {
  return h("span", { class: "tag " + (kind || "") }, text);
}

const KINDS = { accepted: "good", delivered: "good", waiting: "warn", deferred: "warn", rejected: "bad", failed: "bad" };

export function state(word) {
  return tag(word, KINDS[word]);
}

export function number(value) {
  return Number(value).toLocaleString("en");
}

// The word for so many, and with the number before it: "1 failure", "3 failures".
export function plural(value, one, many = one + "s") {
  return Number(value) === 1 ? one : many;
}

export function counted(value, one, many) {
  return number(value) + " " + plural(value, one, many);
}

// "3 min ago", with the exact time on hover.
export function ago(time) {
  if (!time) return h("span", { class: "muted" }, "–");
  const seconds = (Date.parse(time) - Date.now()) / 1000, distance = Math.abs(seconds);
  const [size, unit] = distance < 90 ? [1, " s"] : distance < 5400 ? [60, " min"] : distance < 129600 ? [3600, " h"] : [86400, " days"];
  const text = Math.round(distance / size) + unit;
  return h("time", { datetime: time, title: time }, seconds > 1 ? "in " + text : text + " ago");
}

export function clock(time) {
  const date = new Date(time);
  const day = date.toDateString() === new Date().toDateString() ? "" : date.toISOString().slice(5, 10) + " ";
  return h("time", { datetime: time, title: time }, day + date.toTimeString().slice(0, 8));
}

export function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB"];
  let unit = 0;
  while (count >= 1024 && unit < 3) { count /= 1024; unit++; }
  return (unit ? count.toFixed(1) : count) + " " + units[unit];
}

let tables = 0; // regions have names of their own

export function table(columns, rows, empty) {
  if (!rows.length) return h("div", { class: "empty" }, empty || "Nothing.");
  for (const row of rows) [...row.children].forEach((cell, i) => { cell.dataset.label = columns[i][0]; }); // on a telephone each cell has a line of its own
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": columns[0][0] + ", table " + ++tables }, h("table", {},
    h("thead", {}, h("tr", {}, columns.map(([title, kind]) => h("th", { scope: "col", class: kind }, title)))),
    h("tbody", {}, rows)));
}

// A dialog with one line of text. Calls run(text) when its button is pressed.
export function ask(title, explain, name, label, value, button, run) {
  const input = h("input", { name, value, autocomplete: "off" });
  const dialog = h("dialog", { "aria-label": title, onclose: () => dialog.remove() }, h("form", { method: "dialog", onsubmit: () => run(input.value.trim()) }, h("h2", {}, title),
    h("p", { class: "small muted" }, explain), h("label", {}, label, input),
    h("div", { class: "bar" }, h("button", { class: "main" }, button), h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"))));
  document.body.append(dialog);
  dialog.showModal();
  input.focus();
}

export function toast(text, action, run) {
  const box = h("div", {}, h("span", {}, text));
  if (action) box.append(h("button", { onclick: () => { box.remove(); run(); } }, action));
  document.getElementById("toast").append(box);
  setTimeout(() => box.remove(), action ? 14000 : 6000);
}
