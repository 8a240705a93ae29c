// The staff's Telegram: topics on the left, the open topic with its messages, buttons and composer on the right.
import { act, avatar, clock, day, draft, emptyField, grow, hue, keepDraft, kept, now, onEnter, page, picker, toast, toasts, upload } from "./core.js";
import { h } from "./dom.js";

const ui = kept("telegram", { chat: null, topic: null, as: null, reply: null, edit: null, forwarding: false, files: [], busy: new Set() }, "chat", "topic", "as");
const seen = new Map();
let heard = null;
let alert = null;

export function telegram() {
  const world = page.state.telegram;
  ui.as = world.users.some((user) => user.id === ui.as) ? ui.as : world.users[0]?.id;
  const rooms = world.chats.filter((one) => one.id < 0 || one.id === ui.as);
  const chat = rooms.find((one) => one.id === ui.chat) || rooms[0];
  if (!chat) return h("section", { class: "face tg" }, bar([]), h("p", { class: "empty" }, "No group yet."));
  if (ui.topic !== null && !chat.topics.some((topic) => topic.id === ui.topic)) ui.topic = null;
  listenTo(world.alerts || []);
  const topics = withMessages(chat);
  markRead(chat, topics);
  return h("section", { class: "face tg", "data-testid": "telegram" }, bar(world.users), toasts("telegram"),
    h("div", { class: "split" },
      h("nav", { class: "topics" }, chats(rooms, chat), topics.map((topic) => ({ ...topic, emoji: world.icons?.[topic.icon] })).map((topic) => row(chat, topic))),
      room(world, chat, topics.find((topic) => topic.id === ui.topic))),
    ui.forwarding && forwardForm(chat), alert && alertBox(world));
}

function bar(users) {
  return h("div", { class: "bar" }, h("span", { class: "what" }, "Telegram"),
    picker("as", "tg-as", users, ui.as, (id) => { ui.as = Number(id); ui.reply = ui.edit = null; page.redraw(); }));
}

function chats(rooms, chat) {
  if (rooms.length < 2) return h("h2", null, chat.title);
  return h("select", { "data-testid": "tg-chat", initial: chat.id, on: { change: (event) => { ui.chat = Number(event.target.value); ui.topic = null; page.redraw(); } } },
    rooms.map((one) => h("option", { key: one.id, value: one.id }, one.title)));
}

function withMessages(chat) {
  const general = { id: null, name: chat.forum ? "General" : chat.title, closed: false, messages: [] };
  const topics = [general, ...chat.topics.map((topic) => ({ ...topic, messages: [] }))];
  const byId = new Map(topics.map((topic) => [topic.id, topic]));
  for (const message of chat.messages) byId.get(message.thread_id ?? null)?.messages.push(message);
  const last = (topic) => topic.messages.at(-1)?.id || topic.id;
  return [general, ...topics.slice(1).sort((a, b) => last(b) - last(a))];
}

const place = (chat, topic) => `${chat.id}:${topic.id}`;

function markRead(chat, topics) {
  const first = !seen.has(place(chat, topics[0]));
  for (const topic of topics) {
    if (first || topic.id === ui.topic) seen.set(place(chat, topic), topic.messages.at(-1)?.id || 0);
  }
}

const isService = (message) => Boolean(message.service);

function unread(chat, topic) {
  const last = seen.get(place(chat, topic)) || 0;
  return topic.messages.filter((message) => message.id > last && message.from?.id !== ui.as && !isService(message)).length;
}

function row(chat, topic) {
  const count = unread(chat, topic);
  const last = topic.messages.at(-1);
  const color = topic.icon_color ? `#${topic.icon_color.toString(16).padStart(6, "0")}` : "#8aa0b4";
  return h("button", {
    key: topic.id ?? "general", class: `topic${topic.id === ui.topic ? " open" : ""}${topic.closed ? " closed" : ""}`,
    "data-testid": `tg-topic-${topic.id ?? "general"}`, on: { click: () => openTopic(topic.id) },
  },
  h("span", { class: "dot", style: `background:${color}` }, sign(topic)),
  h("span", { class: "lines" }, h("b", null, topic.name),
    h("span", { class: "last" }, h("span", null, last ? preview(last) : "no messages"), last && h("time", null, clock(last.date)),
      count > 0 && h("span", { class: "count", "data-testid": "tg-unread" }, count))));
}

function sign(topic) {
  if (topic.closed) return "✓";
  if (topic.id === null) return "#";
  return topic.emoji || topic.name.match(/^#(\d+)\b/)?.[1] || [...topic.name.replace(/[^\p{L}\p{N}]/gu, "")][0] || "•";
}

function preview(message) {
  const who = message.from ? `${message.from.name}: ` : "";
  return who + (message.text || message.document?.name || "").replace(/\s+/g, " ").slice(0, 80);
}

function openTopic(id) {
  Object.assign(ui, { topic: id, reply: null, edit: null });
  page.redraw();
}

function room(world, chat, topic) {
  const pinned = topic.messages.filter((message) => message.pinned).at(-1);
  return h("div", { class: "room" },
    h("div", { class: "title" }, h("b", null, topic.name), topic.closed && h("span", { class: "note" }, "closed"),
      h("span", { class: "note" }, topic.id === null ? chat.title : "")),
    pinned && h("button", { class: "pin", on: { click: () => show(pinned.id) } }, h("b", null, "Pinned"), h("span", null, preview(pinned))),
    h("div", { class: "messages", stick: place(chat, topic), "data-testid": "tg-messages" },
      !topic.messages.length && h("div", { key: "none", class: "service" }, chat.forum ? "Quiet here. The desk opens a topic for each case." : "No messages yet."),
      lines(chat, topic), typing(world, chat, topic)),
    composer(chat, topic));
}

function lines(chat, topic) {
  let date = "";
  return topic.messages.flatMap((message) => {
    const fresh = day(message.date) !== date && (date = day(message.date));
    return [fresh && h("div", { key: `day-${date}`, class: "day" }, date), bubble(chat, topic, message)];
  });
}

function bubble(chat, topic, message) {
  const props = { key: message.id, "data-testid": `tg-msg-${message.id}` };
  if (isService(message)) return h("div", { ...props, class: "service" }, message.text);
  const own = message.from?.id === ui.as;
  return h("div", { ...props, class: `line${own ? " own" : ""}` },
    !own && avatar(message.from?.name || chat.title),
    h("div", { class: "stack" },
      h("div", { class: message.edited ? "bubble changed" : "bubble", on: { click: (event) => clicked(event, chat, message) } },
        !own && h("div", { class: "name", style: `--hue:${hue(message.from?.name || "")}` }, message.from?.name || chat.title, message.from?.is_bot && h("i", null, "bot")),
        message.forwarded && h("div", { class: "forwarded" }, "Forwarded message"),
        quote(topic, message),
        message.document && file(message.document),
        h("div", { key: "text", class: "text", html: tight(message.html) }),
        message.reactions?.length > 0 && h("div", { class: "reactions" }, message.reactions.map((one, at) => h("span", { key: at }, one))),
        h("div", { class: "foot" }, message.edited && h("span", null, "edited"), clock(message.date)),
        own && h("button", { class: "pencil", title: "Edit", "data-testid": "tg-edit", on: { click: (event) => { event.stopPropagation(); startEdit(message); } } }, "✎")),
      keyboard(chat, message)));
}

/** A quotation is a block of its own: the line break beside it is not one more line. */
const tight = (html) => html.replace(/\n(<blockquote[ >])/g, "$1").replace(/<\/blockquote>\n/g, "</blockquote>");

function quote(topic, message) {
  // A message that answers nothing still points at the topic's first service message.
  if (!message.reply_to || message.reply_to === topic.id) return null;
  const source = topic.messages.find((one) => one.id === message.reply_to);
  return source && !isService(source) && h("div", { class: "quote", on: { click: (event) => { event.stopPropagation(); show(source.id); } } },
    h("b", null, source.from?.name || ""), h("span", null, source.text.slice(0, 90)));
}

function file(document) {
  return h("a", { class: "file", href: document.url || "#", target: "_blank", rel: "noopener", "data-testid": "tg-file" }, h("span", null, "📄"), document.name);
}

function keyboard(chat, message) {
  if (!message.buttons?.length) return null;
  return h("div", { class: "keys" }, message.buttons.map((line, index) => h("div", { key: index }, line.map((button) => key(chat, message, button)))));
}

function key(chat, message, button) {
  if (button.url) return h("a", { class: "key", href: button.url, target: "_blank", rel: "noopener", "data-testid": "tg-btn" }, button.text, h("i", null, "↗"));
  const name = `${message.id}:${button.data}`;
  return h("button", {
    key: name, class: `key${ui.busy.has(name) ? " busy" : ""}`, "data-testid": "tg-btn",
    on: { click: () => press(chat, message, button, name) },
  }, button.text);
}

async function press(chat, message, button, name) {
  ui.busy.add(name);
  page.redraw();
  await act("telegram/press", { user_id: ui.as, chat_id: chat.id, message_id: message.id, data: button.data, stale: true });
  setTimeout(() => { ui.busy.delete(name); page.redraw(); }, 400);
}

function show(id) {
  const node = document.querySelector(`[data-testid="tg-msg-${id}"]`);
  node?.scrollIntoView({ block: "center", behavior: "smooth" });
  node?.animate([{ background: "rgba(51,144,236,.25)" }, { background: "transparent" }], 1200);
}

/** A link to a topic of this group opens it here, a folded quotation unfolds; anywhere else begins an answer. */
function clicked(event, chat, message) {
  const topic = topicOf(event.target.closest("a")?.href, chat);
  if (topic) {
    event.preventDefault();
    openTopic(topic.id);
    return;
  }
  const folded = event.target.closest("blockquote[expandable]");
  if (folded?.scrollHeight > folded?.clientHeight) folded.setAttribute("open", "");
  else startReply(event, message);
}

function topicOf(href, chat) {
  const [, group, id] = href?.match(/^https:\/\/t\.me\/c\/(\d+)\/(\d+)/) || [];
  return Number(`-100${group}`) === chat.id ? chat.topics.find((topic) => topic.id === Number(id)) : null;
}

function startReply(event, message) {
  if (event.target.closest("a, button, .spoiler")) return;
  if (!window.getSelection().isCollapsed) return;
  Object.assign(ui, { reply: message.id, edit: null });
  page.redraw();
  document.querySelector('[data-testid="tg-input"]')?.focus();
}

function startEdit(message) {
  Object.assign(ui, { edit: message.id, reply: null });
  page.drafts.set(`tg-edit-${message.id}`, message.text);
  page.redraw();
}

function typing(world, chat, topic) {
  const signs = (world.typing || []).filter((sign) => sign.chat_id === chat.id && (sign.thread_id ?? null) === topic.id && sign.until > now());
  if (!signs.length) return null;
  setTimeout(page.redraw, Math.max(100, (Math.max(...signs.map((sign) => sign.until)) - now()) * 1000 + 50));
  return h("div", { key: "typing", class: "typing", "data-testid": "tg-typing" }, h("i"), h("i"), h("i"), "typing");
}

function composer(chat, topic) {
  const name = ui.edit ? `tg-edit-${ui.edit}` : `tg-${place(chat, topic)}`;
  const target = topic.messages.find((message) => message.id === (ui.edit || ui.reply));
  const send = () => (ui.edit ? saveEdit(chat, name) : write(chat, topic, name));
  return h("div", { class: "compose" },
    target && h("div", { class: "context" }, h("span", null, h("b", null, ui.edit ? "Edit message" : `Reply to ${target.from?.name || chat.title}`), preview(target)),
      h("button", { title: "Cancel", "data-testid": "tg-cancel", on: { click: cancel } }, "✕")),
    ui.files.length > 0 && h("div", { class: "context" }, h("span", null, h("b", null, "Attached"), ui.files[0].name),
      h("button", { title: "Remove", on: { click: () => { ui.files = []; page.redraw(); } } }, "✕")),
    h("div", { class: "inputs" },
      h("label", { class: "clip", title: "Attach a file" }, "📎",
        h("input", { type: "file", "data-testid": "tg-file-input", on: { change: (event) => attach(event.target) } })),
      h("button", { class: "clip", title: "Forward a message from elsewhere", "data-testid": "tg-forward", on: { click: () => { ui.forwarding = true; page.redraw(); } } }, "⤳"),
      h("textarea", {
        key: name, rows: 1, placeholder: "Message", "aria-label": "Message", "data-testid": "tg-input", initial: draft(name), autofocus: Boolean(ui.edit),
        on: { input: (event) => { keepDraft(name, event.target.value); grow(event.target); }, keydown: keys(send) },
      }),
      h("button", { class: "send", title: "Send", "data-testid": "tg-send", on: { click: send } }, ui.edit ? "✓" : "➤")));
}

function keys(send) {
  const enter = onEnter(send);
  return (event) => (event.key === "Escape" ? cancel() : enter(event));
}

function cancel() {
  if (ui.edit) keepDraft(`tg-edit-${ui.edit}`, "");
  Object.assign(ui, { reply: null, edit: null });
  page.redraw();
}

function attach(input) {
  const chosen = input.files[0];
  if (!chosen) return;
  ui.files = [chosen];
  input.value = "";
  page.redraw();
}

async function write(chat, topic, name) {
  const text = draft(name).trim();
  if (!text && !ui.files.length) return;
  const body = { user_id: ui.as, chat_id: chat.id, text, thread_id: topic.id, reply_to: ui.reply };
  emptyField("tg-input");
  keepDraft(name, "");
  if (await (ui.files.length ? upload("telegram", body, ui.files[0]) : act("telegram/write", body))) {
    Object.assign(ui, { reply: null, files: [] });
  } else {
    restore(name, text);
  }
  page.redraw();
}

/** A refused text comes back into its field, unless the person has begun another. */
function restore(name, text) {
  if (draft(name)) return;
  keepDraft(name, text);
  const field = document.querySelector('[data-testid="tg-input"]');
  if (field) field.value = text;
}

async function saveEdit(chat, name) {
  if (await act("telegram/edit", { user_id: ui.as, chat_id: chat.id, message_id: ui.edit, text: draft(name) })) cancel();
}

function forwardForm(chat) {
  const fields = [["tg-forward-text", "Text of the message"], ["tg-forward-name", "From whom (channel or person)"], ["tg-forward-url", "Link to the original, if any"]];
  const close = () => { ui.forwarding = false; page.redraw(); };
  const send = async () => {
    const [text, origin_name, origin_url] = fields.map(([name]) => draft(name));
    const body = { user_id: ui.as, chat_id: chat.id, text, origin_name: origin_name || null, origin_url: origin_url || null, thread_id: ui.topic };
    if (!await act("telegram/forward", body)) return;
    for (const [name] of fields) keepDraft(name, "");
    close();
  };
  return h("div", { class: "veil" }, h("div", { class: "dialog" }, h("h3", null, "Forward a message here"),
    fields.map(([name, label], index) => h(index ? "input" : "textarea", {
      key: name, placeholder: label, "aria-label": label, "data-testid": name, initial: draft(name), autofocus: !index,
      on: { input: (event) => keepDraft(name, event.target.value) },
    })),
    h("div", { class: "row end" }, h("button", { on: { click: close } }, "Cancel"), h("button", { class: "primary", "data-testid": "tg-forward-send", on: { click: send } }, "Forward"))));
}

const mark = (note) => `${note.at}|${note.user_id}|${note.text}`;

/** What the bot answers to one's press: a passing note, or a box that waits for OK. Old answers are not shown again. */
function listenTo(notes) {
  if (!heard) {
    heard = new Set(notes.map(mark));
    return;
  }
  for (const note of notes.filter((one) => !heard.has(mark(one)))) {
    heard.add(mark(note));
    if (note.user_id !== ui.as) continue;
    if (note.text && note.show_alert) alert = note;
    else if (note.text) setTimeout(() => toast(note.text, { face: "telegram", title: "" }));
  }
}

function alertBox(world) {
  const name = world.users.find((user) => user.id === alert.user_id)?.name || "";
  return h("div", { class: "veil" }, h("div", { class: "dialog", role: "alertdialog", "data-testid": "tg-alert" }, h("h3", null, `To ${name}`), h("p", null, alert.text),
    h("div", { class: "row end" }, h("button", { class: "primary", "data-testid": "tg-alert-ok", autofocus: true, on: { click: () => { alert = null; page.redraw(); } } }, "OK"))));
}
