/**
 * XrayPanel's page: it shows one choice of a text and sends what a person changes. It does not know how a choice is
 * made. Messages: {type: "look", prompt, chat, length}, {type: "set", values, number}, {type: "order", order, number},
 * {type: "at", index}, {type: "take", id}, and of the type alone: "stop", "regenerate", "back", "reset", "pin",
 * "unpin", "load".
 */

import { viewOf } from "../shared/view.js";
import { Panel } from "./panel.js";

const TRAITS = [
  "fields", "model", "prompt", "chat", "length", "status", "tokens", "where", "view", "flips", "judged", "sampling",
  "changed", "pinned", "earlier", "answered", "problem",
];

export default { render: viewOf("XrayPanel", TRAITS, (send) => new Panel(send), { status: "idle" }) };
