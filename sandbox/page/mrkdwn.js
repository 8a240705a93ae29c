// Slack's message markup, drawn as elements. Nothing of it ever becomes HTML.
import { h } from "./dom.js";
import { emoji } from "./emoji.js";

const INLINE = /`([^`\n]+)`|<([^<>\n]+)>|:([a-z0-9_+'-]+):|(?<![\p{L}\p{N}*])\*(?! )([^*\n]+)(?<! )\*(?![\p{L}\p{N}*])|(?<![\p{L}\p{N}_])_(?! )([^_\n]+)(?<! )_(?![\p{L}\p{N}_])|(?<![\p{L}\p{N}~])~(?! )([^~\n]+)(?<! )~(?![\p{L}\p{N}~])/giu;
const ENTITIES = { "&amp;": "&", "&lt;": "<", "&gt;": ">" };
const WEB = /^(https?|mailto|tel):/i;

export const decode = (text) => text.replace(/&(amp|lt|gt);/g, (entity) => ENTITIES[entity]);

/** `names` turns a user or channel id into a name. */
export function mrkdwn(text, names) {
  return text.split("```").flatMap((part, index) => (index % 2 ? [h("pre", null, decode(part.replace(/^\n/, "")))] : paragraphs(part, names)));
}

function paragraphs(text, names) {
  const groups = [];
  for (const line of text.split("\n")) {
    const quoted = line.match(/^(?:&gt;|>)\s?(.*)$/);
    const last = groups.at(-1);
    if (quoted && last?.quote) last.lines.push(quoted[1]);
    else if (quoted) groups.push({ quote: true, lines: [quoted[1]] });
    else if (last && !last.quote) last.lines.push(line);
    else groups.push({ quote: false, lines: [line] });
  }
  return groups.flatMap((group) => {
    const body = inline(group.lines.join("\n"), names);
    return group.quote ? [h("blockquote", null, body)] : body;
  });
}

function inline(text, names) {
  const parts = [];
  let done = 0;
  for (const match of text.matchAll(INLINE)) {
    parts.push(decode(text.slice(done, match.index)), marked(match, names));
    done = match.index + match[0].length;
  }
  return [...parts, decode(text.slice(done))].filter((part) => part !== "");
}

function marked([, code, angle, name, bold, italic, struck], names) {
  if (code) return h("code", null, decode(code));
  if (angle) return reference(angle, names);
  if (name) return emoji(name);
  if (bold) return h("b", null, inline(bold, names));
  if (italic) return h("i", null, inline(italic, names));
  return h("s", null, inline(struck, names));
}

function reference(body, names) {
  const [target, label] = body.split("|");
  if (target.startsWith("@")) return mention(`@${label || names(target.slice(1))}`);
  if (target.startsWith("#")) return mention(`#${label || names(target.slice(1))}`);
  if (target.startsWith("!date^")) return decode(label || target);
  if (target.startsWith("!")) return mention(`@${label || target.slice(1)}`);
  return link(decode(target), decode(label || target));
}

export const mention = (text) => h("span", { class: "mention" }, text);

export function link(url, label) {
  return WEB.test(url) ? h("a", { href: url, target: "_blank", rel: "noopener" }, label) : label;
}
