// Block Kit, drawn as elements. `ctx` is {names, users, press(block, element, value), answers, errors}.
import { grow } from "./core.js";
import { h } from "./dom.js";
import { emoji } from "./emoji.js";
import { link, mention, mrkdwn } from "./mrkdwn.js";

export function blocks(list, ctx) {
  return list.map((block, index) => (BLOCKS[block.type] || unknown)({ block_id: `b${index}`, ...block }, ctx, index));
}

const unknown = (block, ctx, index) => h("div", { key: index, class: "bk-unknown" }, `[${block.type}]`);

const BLOCKS = {
  section: (block, ctx, index) => h("div", { key: index, class: "bk-section" },
    h("div", { class: "bk-text" }, block.text && text(block.text, ctx),
      block.fields && h("div", { class: "bk-fields" }, block.fields.map((field, at) => h("div", { key: at }, text(field, ctx))))),
    block.accessory && element(block, block.accessory, ctx)),
  header: (block, ctx, index) => h("h4", { key: index, class: "bk-header" }, text(block.text, ctx)),
  context: (block, ctx, index) => h("div", { key: index, class: "bk-context" },
    block.elements.map((one, at) => (one.type === "image" ? picture(one, at, "small") : h("span", { key: at }, text(one, ctx))))),
  actions: (block, ctx, index) => h("div", { key: index, class: "bk-actions" }, block.elements.map((one) => element(block, one, ctx))),
  divider: (block, ctx, index) => h("hr", { key: index }),
  image: (block, ctx, index) => h("div", { key: index, class: "bk-image" }, block.title && h("span", null, plain(block.title)), picture(block, 0, "large")),
  markdown: (block, ctx, index) => h("div", { key: index, class: "bk-section" }, h("div", { class: "bk-text" }, block.text)),
  rich_text: (block, ctx, index) => h("div", { key: index, class: "bk-rich" }, block.elements.map((part, at) => rich(part, ctx, at))),
  input: (block, ctx, index) => h("div", { key: block.block_id ?? index, class: ctx.errors?.[block.block_id] ? "bk-input wrong" : "bk-input" },
    h("label", null, h("b", null, plain(block.label)), block.optional && h("span", { class: "optional" }, "(optional)")),
    element(block, block.element, ctx),
    block.hint && h("span", { class: "hint" }, plain(block.hint)),
    ctx.errors?.[block.block_id] && h("span", { class: "error", "data-testid": `sl-error-${block.block_id}` }, ctx.errors[block.block_id])),
};

const plain = (object) => object.text.replace(/:([a-z0-9_+'-]+):/g, (whole, name) => emoji(name));

const text = (object, ctx) => (object.type === "mrkdwn" ? mrkdwn(object.text, ctx.names) : plain(object));

/** Pictures from elsewhere are not fetched: the sandbox needs no network. */
function picture(image, key, size) {
  const url = image.image_url || image.slack_file?.url || "";
  const own = url.startsWith("/") || url.startsWith(`${window.location.origin}/`) || url.startsWith("data:image/");
  return own ? h("img", { key, class: size, src: url, alt: image.alt_text }) : h("span", { key, class: "bk-alt" }, "🖼 ", link(url, image.alt_text || "picture"));
}

function rich(part, ctx, key) {
  if (part.type === "rich_text_list") {
    return h(part.style === "ordered" ? "ol" : "ul", { key, style: `margin-left:${(part.indent || 0) * 20}px`, start: part.offset ? part.offset + 1 : undefined },
      part.elements.map((item, at) => h("li", { key: at }, item.elements.map((one) => richInline(one, ctx)))));
  }
  const tag = { rich_text_quote: "blockquote", rich_text_preformatted: "pre" }[part.type] || "div";
  return h(tag, { key }, (part.elements || []).map((one) => richInline(one, ctx)));
}

const RICH = {
  text: (one) => one.text,
  link: (one) => link(one.url, one.text || one.url),
  emoji: (one) => emoji(one.name),
  user: (one, ctx) => mention(`@${ctx.names(one.user_id)}`),
  usergroup: (one) => mention(`@${one.usergroup_id}`),
  channel: (one, ctx) => mention(`#${ctx.names(one.channel_id)}`),
  broadcast: (one) => mention(`@${one.range}`),
  date: (one) => one.fallback || new Date(one.timestamp * 1000).toLocaleString(),
  color: (one) => one.value,
};

function richInline(one, ctx) {
  let drawn = (RICH[one.type] || (() => ""))(one, ctx);
  for (const [style, tag] of [["bold", "b"], ["italic", "i"], ["strike", "s"], ["code", "code"]]) {
    if (one.style?.[style]) drawn = h(tag, null, drawn);
  }
  return drawn;
}

function element(block, one, ctx) {
  return (ELEMENTS[one.type] || unknown)(block, one, ctx);
}

const ELEMENTS = {
  button: (block, one, ctx) => {
    const look = `bk-button ${one.style || ""}`;
    const label = plain(one.text);
    const send = () => ctx.press(block, one, one.value ?? null);
    if (!one.url) return h("button", { key: one.action_id, type: "button", class: look, "data-testid": "sl-btn", "aria-label": one.accessibility_label, on: { click: send } }, label);
    return h("a", { key: one.action_id, class: look, href: one.url, target: "_blank", rel: "noopener", "data-testid": "sl-btn", on: { click: send } }, label);
  },
  image: (block, one) => picture(one, "image", "thumb"),
  overflow: (block, one, ctx) => menu(block, one, ctx, "⋯"),
  static_select: select,
  external_select: select,
  multi_static_select: (block, one, ctx) => select(block, one, ctx, true),
  users_select: (block, one, ctx) => select(block, { ...one, options: people(ctx) }, ctx),
  multi_users_select: (block, one, ctx) => select(block, { ...one, options: people(ctx) }, ctx, true),
  radio_buttons: (block, one, ctx) => ticks(block, one, ctx, "radio"),
  checkboxes: (block, one, ctx) => ticks(block, one, ctx, "checkbox"),
  plain_text_input: (block, one, ctx) => typed(block, one, ctx, "text"),
  email_text_input: (block, one, ctx) => typed(block, one, ctx, "email"),
  url_text_input: (block, one, ctx) => typed(block, one, ctx, "url"),
  number_input: (block, one, ctx) => typed(block, one, ctx, "number"),
  datepicker: (block, one, ctx) => typed(block, { ...one, initial_value: one.initial_date }, ctx, "date"),
  timepicker: (block, one, ctx) => typed(block, { ...one, initial_value: one.initial_time }, ctx, "time"),
  workflow_button: (block, one) => h("span", { class: "bk-alt" }, plain(one.text)),
};

const people = (ctx) => ctx.users.filter((user) => !user.is_bot).map((user) => ({ text: { type: "plain_text", text: user.name }, value: user.id }));

/** In a message, and where the app asked to be told at once, a choice is an action; elsewhere it waits for the submit. */
function changed(block, one, ctx, value) {
  ctx.answers?.set(`${block.block_id}/${one.action_id}`, value);
  if (block.type !== "input" || block.dispatch_action) ctx.press(block, one, value);
}

const given = (block, one, ctx, initial) => ctx.answers?.get(`${block.block_id}/${one.action_id}`) ?? initial;

function select(block, one, ctx, many = false) {
  const flat = [...(one.options || []), ...(one.option_groups || []).flatMap((group) => group.options)];
  const first = many ? (one.initial_options || []).map((option) => option.value) : one.initial_option?.value ?? one.initial_user;
  const chosen = given(block, one, ctx, first);
  const read = (field) => (many ? [...field.selectedOptions].map((option) => option.value) : field.value || null);
  return h("select", {
    key: one.action_id, class: "bk-field", multiple: many, "data-testid": testid(block, ctx),
    on: { change: (event) => changed(block, one, ctx, read(event.target)) },
  },
  !many && h("option", { key: "none", value: "" }, one.placeholder ? plain(one.placeholder) : "Choose…"),
  flat.map((option) => h("option", { key: option.value, value: option.value, selected: many ? chosen.includes(option.value) : chosen === option.value }, plain(option.text))));
}

function menu(block, one, ctx, sign) {
  return h("select", { key: one.action_id, class: "bk-menu", "aria-label": "More", "data-testid": "sl-overflow", on: { change: (event) => { ctx.press(block, one, event.target.value); event.target.value = ""; } } },
    h("option", { key: "none", value: "" }, sign), one.options.map((option) => h("option", { key: option.value, value: option.value }, plain(option.text))));
}

function ticks(block, one, ctx, type) {
  const first = type === "radio" ? [one.initial_option?.value] : (one.initial_options || []).map((option) => option.value);
  const chosen = [given(block, one, ctx, first)].flat();
  const read = (event) => {
    const marked = [...event.target.closest(".bk-ticks").querySelectorAll("input:checked")].map((tick) => tick.value);
    changed(block, one, ctx, type === "radio" ? marked[0] ?? null : marked);
  };
  return h("div", { key: one.action_id, class: "bk-ticks", "data-testid": testid(block, ctx) }, one.options.map((option) =>
    h("label", { key: option.value },
      h("input", { type, name: `${block.block_id}/${one.action_id}`, value: option.value, checked: chosen.includes(option.value), on: { change: read } }),
      h("span", null, text(option.text, ctx), option.description && h("span", { class: "hint" }, text(option.description, ctx))))));
}

function typed(block, one, ctx, type) {
  const props = {
    key: one.action_id, class: "bk-field", "data-testid": testid(block, ctx), placeholder: one.placeholder ? plain(one.placeholder) : "",
    initial: given(block, one, ctx, one.initial_value ?? ""), autofocus: one.focus_on_load,
  };
  const input = (event) => { ctx.answers?.set(`${block.block_id}/${one.action_id}`, event.target.value); if (one.multiline) grow(event.target); };
  const change = (event) => { if (type === "date" || type === "time") changed(block, one, ctx, event.target.value || null); };
  return one.multiline
    ? h("textarea", { ...props, rows: 5, on: { input } })
    : h("input", { ...props, type: type === "number" ? "text" : type, on: { input, change } });
}

const testid = (block, ctx) => (ctx.errors ? `sl-modal-field-${block.block_id}` : "sl-field");
