// Slack writes emoji by name; these are the names a desk and its clients meet. An unknown name stays as typed.
const NAMES = {
  "+1": "👍", thumbsup: "👍", "-1": "👎", thumbsdown: "👎", alarm_clock: "⏰", arrow_right: "➡️", bangbang: "‼️", bar_chart: "📊", bell: "🔔",
  blush: "😊", bulb: "💡", chart_with_upwards_trend: "📈", check: "✔️", clipboard: "📋", clap: "👏", clock3: "🕒", coffee: "☕", cry: "😢",
  email: "✉️", exclamation: "❗", eyes: "👀", fire: "🔥", globe_with_meridians: "🌐", grey_question: "❔", grinning: "😀", hand: "✋",
  heart: "❤️", heavy_check_mark: "✔️", hourglass: "⌛", hourglass_flowing_sand: "⏳", inbox_tray: "📥", information_source: "ℹ️", joy: "😂",
  large_blue_circle: "🔵", large_green_circle: "🟢", large_orange_circle: "🟠", large_red_circle: "🔴", large_yellow_circle: "🟡",
  leftwards_arrow_with_hook: "↩️", link: "🔗", lock: "🔒", mag: "🔍", mega: "📣", memo: "📝", no_entry: "⛔", ok_hand: "👌",
  page_facing_up: "📄", paperclip: "📎", pencil: "📝", pencil2: "✏️", point_right: "👉", pray: "🙏", pushpin: "📌", question: "❓",
  rage: "😡", raised_hands: "🙌", red_circle: "🔴", repeat: "🔁", robot_face: "🤖", rotating_light: "🚨", shrug: "🤷", slightly_smiling_face: "🙂",
  smile: "😄", sob: "😭", sos: "🆘", sparkles: "✨", speech_balloon: "💬", star: "⭐", star2: "🌟", stopwatch: "⏱️", tada: "🎉",
  thinking_face: "🤔", triangular_flag_on_post: "🚩", warning: "⚠️", wave: "👋", white_check_mark: "✅", white_circle: "⚪", wink: "😉", x: "❌", zzz: "💤",
};

export const emoji = (name) => NAMES[name] || `:${name}:`;
