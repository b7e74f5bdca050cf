/**
 * TokenTreeView's page: it shows a tree of tokens and sends what a person asks of a branch. It does not know how a tree
 * grows. Messages: {type: "grow", prompt, chat, length, width}, {type: "choose", ids, number}, {type: "prune" | "adopt",
 * ids}, {type: "expand", ids, width}, {type: "follow", ids, length}, and of the type alone: "stop", "load".
 */

import { viewOf } from "../shared/view.js";
import { Panel } from "./panel.js";

const TRAITS = [
  "model", "prompt", "chat", "length", "width", "status", "problem", "nodes", "chosen", "text", "share", "adopts",
  "adopted", "progress", "answered",
];

export default { render: viewOf("TokenTreeView", TRAITS, (send) => new Panel(send), { status: "idle" }) };
