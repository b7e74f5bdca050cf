/**
 * What is pressed in a panel stays in it. JupyterLab hears keys at the document, and takes arrow keys and letters for
 * commands on cells wherever no text can be typed: on a list, a slider, a button. This has no view: it works from the
 * moment its model is on the page. It does not know the panels, only that their outermost element has the class `live`.
 */

/** @param {KeyboardEvent} event the notebook gets those with Ctrl or Cmd, such as to save, but not those that run cells */
function keep(event) {
  const inside = event.target instanceof Element && event.target.closest(".live");
  if (inside && (!(event.ctrlKey || event.metaKey) || event.key === "Enter")) event.stopPropagation();
}

function initialize() {
  const { body } = document; // the last on the way to the document: what the panel itself does with a key comes first
  if (body.dataset["inbKeys"]) return; // several kernels may be on one page
  body.dataset["inbKeys"] = "kept"; // for good: outside a panel it does nothing
  body.addEventListener("keydown", keep);
}

export default { initialize };
