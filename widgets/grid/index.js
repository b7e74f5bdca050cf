/**
 * GridPanel's page: it shows completions beside each other and sends what a person changes. It does not know how cells
 * are run. Messages: {type: "axes", axes, number}, {type: "run", prompt, chat, length}, {type: "compare", place},
 * {type: "colour", by}, {type: "arrange", across}, {type: "open", place, where}, and of the type alone: "stop", "map",
 * "load".
 */

import { viewOf } from "../shared/view.js";
import { Panel } from "./panel.js";

const TRAITS = [
  "model", "prompt", "chat", "length", "status", "problem", "choices", "axes", "counted", "progress", "table", "cells",
  "across", "figures", "colour_by", "reference", "opens", "answered",
];

export default { render: viewOf("GridPanel", TRAITS, (send) => new Panel(send), { status: "idle" }) };
