/** A table whose rows are picked by a click. It does not know what they are. Messages: {type: "pick", row}. */

import { viewOf } from "../shared/view.js";
import { Picks } from "./picks.js";

const TRAITS = ["heading", "heads", "rows", "pickable", "picked", "more"];

export default { render: viewOf("Picks", TRAITS, (send) => new Picks(send)) };
