/**
 * TokenizerExplorer's page: it shows tokens and sends what a person changes. It does not know how a text is cut.
 * Its one message: {type: "set", values, number}, values by the names of traits.
 */

import { viewOf } from "../shared/view.js";
import { Panel } from "./panel.js";

const TRAITS = ["names", "chosen", "tab", "text", "query", "kind", "messages", "answering", "view", "status", "answered", "problem"];

export default { render: viewOf("TokenizerExplorer", TRAITS, (send) => new Panel(send), { status: "idle" }) };
