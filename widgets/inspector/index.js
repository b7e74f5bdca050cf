/**
 * TokenInspector's page: it shows a text as coloured tokens and sends what a person asks. It does not know how a token
 * is judged. Messages: {type: "score" | "write", prompt, chat, length}, {type: "colour", measure, of},
 * {type: "at", index, number}, {type: "hint", index, number}, {type: "take", id, index, length},
 * {type: "show", branch}, {type: "export", suffix}, and of the type alone: "stop", "load". Python answers an export by
 * {type: "file", name, text, kind}.
 */

import { viewOf } from "../shared/view.js";
import { Panel } from "./panel.js";

const TRAITS = [
  "model", "prompt", "chat", "length", "status", "problem", "tokens", "given", "levels", "legend", "measure", "of",
  "has_sampled", "where", "view", "hint", "branches", "branch", "summary", "note", "progress", "answered",
];

export default { render: viewOf("TokenInspector", TRAITS, (send) => new Panel(send), { status: "idle" }) };
