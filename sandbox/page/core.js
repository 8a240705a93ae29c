// What the three faces share: the state from the server, the small state of this page, sending, words about time and people.
import { h } from "./dom.js";

export const page = { state: null, live: false, toasts: [], drafts: new Map(), redraw: () => {} };

let skew = 0;

export async function load() {
  const answer = await fetch("/ui/state");
  if (!answer.ok) throw new Error(`state: ${answer.status}`);
  page.state = await answer.json();
  skew = page.state.now - Date.now() / 1000;
}

/** Unix seconds by the server's clock. */
export const now = () => Date.now() / 1000 + skew;

/** Calls a person's action. Gives the answer, or null after telling the person why not. */
export const act = (path, body, how) => send(path, { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }, how);

/** The same for a message with a file. */
export function upload(face, body, file) {
  const form = new FormData();
  form.append("message", JSON.stringify(body));
  form.append("file", file, file.name);
  return send(`${face}/upload`, { body: form });
}

async function send(path, request, { quiet = false } = {}) {
  let answer;
  try {
    answer = await (await fetch(`/ui/${path}`, { method: "POST", ...request })).json();
  } catch {
    answer = { ok: false, error: "The sandbox does not answer." };
  }
  if (answer.ok) return answer;
  if (!quiet) toast(answer.error || "That did not work.", { face: path.split("/")[0], bad: true });
  return null;
}

export function toast(text, { face = "site", bad = false, title = "" } = {}) {
  const note = { id: Math.random(), text, face, bad, title };
  page.toasts.push(note);
  setTimeout(() => {
    page.toasts = page.toasts.filter((other) => other !== note);
    page.redraw();
  }, bad ? 8000 : 5000);
  page.redraw();
}

export function toasts(face) {
  return h("div", { class: "toasts", role: "status" }, page.toasts.filter((note) => note.face === face).map((note) =>
    h("div", { key: note.id, class: note.bad ? "toast bad" : "toast", "data-testid": "toast" },
      note.title && h("b", null, note.title), note.text)));
}

/** `ui` with those of its `fields` that stood so before the page was loaded again. */
export function kept(face, ui, ...fields) {
  window.addEventListener("pagehide", () => {
    sessionStorage.setItem(face, JSON.stringify(Object.fromEntries(fields.map((field) => [field, ui[field]]))));
  });
  return Object.assign(ui, JSON.parse(sessionStorage.getItem(face) || "{}"));
}

/** A text field that keeps what was typed under `name` until it is sent. */
export function draft(name) {
  return page.drafts.get(name) || "";
}

export function keepDraft(name, text) {
  if (text) page.drafts.set(name, text);
  else page.drafts.delete(name);
}

export function emptyField(testid) {
  const field = document.querySelector(`[data-testid="${testid}"]`);
  if (!field) return;
  field.value = "";
  field.style.height = "";
}

export function grow(field) {
  field.style.height = "auto";
  field.style.height = `${Math.min(field.scrollHeight, 180)}px`;
}

/** Enter sends, Shift+Enter makes a new line; an unfinished composition of letters is left alone. */
export function onEnter(send) {
  return (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  };
}

const two = (number) => String(number).padStart(2, "0");

export function clock(at) {
  const date = new Date(at * 1000);
  return `${two(date.getHours())}:${two(date.getMinutes())}`;
}

export function day(at) {
  const date = new Date(at * 1000);
  return date.toLocaleDateString("en-GB", { day: "numeric", month: "long" });
}

export function ago(at) {
  const passed = Math.max(0, now() - at);
  if (passed < 60) return "just now";
  if (passed < 3600) return `${Math.floor(passed / 60)} min ago`;
  if (passed < 86400) return `${Math.floor(passed / 3600)} h ago`;
  return `${Math.floor(passed / 86400)} d ago`;
}

const HUES = [4, 24, 44, 88, 138, 168, 192, 214, 238, 268, 300, 334];

export function hue(name) {
  let sum = 0;
  for (const letter of String(name)) sum = (sum * 37 + letter.codePointAt(0)) % 9973;
  return HUES[sum % HUES.length];
}

export function initials(name) {
  const words = String(name).replace(/[^\p{L}\p{N} ]/gu, " ").trim().split(/\s+/);
  return words.slice(0, 2).map((word) => [...word][0] || "").join("").toUpperCase() || "•";
}

export function avatar(name, shape = "round") {
  return h("span", { class: `avatar ${shape}`, style: `--hue:${hue(name)}`, "aria-hidden": "true" }, initials(name));
}

export function picker(label, testid, people, chosen, choose) {
  return h("label", { class: "as" }, h("span", null, label),
    h("select", { "data-testid": testid, initial: chosen, on: { change: (event) => choose(event.target.value) } },
      people.map((person) => h("option", { key: person.id, value: person.id }, person.name))));
}
