/**
 * SearchPanel's results: it shows the rows that Python holds and sends what a person asks for of them. It does not
 * know how the hub is asked. Messages: {type: "plan", id}, {type: "more"}, {type: "retry"}.
 */

import { viewOf } from "../shared/view.js";
import { Results } from "./results.js";

const TRAITS = ["rows", "status", "note", "problem", "more", "wanted", "stale", "judging"];

export default { render: viewOf("SearchPanel", TRAITS, (send) => new Results(send)) };
