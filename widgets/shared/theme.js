/** Tells a widget whether it stands on a light or a dark page, in JupyterLab and outside. It sets no colour itself. */

/**
 * Keeps `root.dataset.theme` at "light" or "dark".
 *
 * @param {HTMLElement} root
 * @returns {() => void} ends it
 */
export function followTheme(root) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const look = () => {
    root.dataset["theme"] = dark(system.matches) ? "dark" : "light";
  };
  const observer = new MutationObserver(() => requestAnimationFrame(look));
  observer.observe(document.body, {
    attributes: true,
    attributeFilter: ["class", "data-jp-theme-light", "data-jp-theme-name"],
  });
  system.addEventListener("change", look);
  look();
  return () => {
    observer.disconnect();
    system.removeEventListener("change", look);
  };
}

/**
 * @param {boolean} preferred what the system prefers, for pages without a theme of their own
 * @returns {boolean}
 */
function dark(preferred) {
  const stated = document.body.dataset["jpThemeLight"];
  if (stated) return stated === "false";
  const background = getComputedStyle(document.body).getPropertyValue("--jp-layout-color1").trim();
  return background ? luminance(background) < 0.5 : preferred;
}

/**
 * @param {string} colour any CSS colour
 * @returns {number} 0 for black to 1 for white
 */
function luminance(colour) {
  const probe = document.createElement("span");
  probe.style.color = colour;
  document.body.append(probe);
  const parts = getComputedStyle(probe).color.match(/[\d.]+/g) ?? [];
  probe.remove();
  const [red = 255, green = 255, blue = 255] = parts.map(Number);
  return (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255;
}
