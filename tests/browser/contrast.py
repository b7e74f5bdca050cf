"""How well text stands out on a page: the contrast of all text in an element with the ground below it.

It does not know what it looks at. The ratio is that of WCAG 2.2, whose least for text is 4.5.
"""

CONTRAST = """root => {
  const parse = (colour) => {
    const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], below) => [r, g, b].map((part, at) => part * a + below[at] * (1 - a));
  const background = (element) => {
    if (!element) return [255, 255, 255];
    const own = parse(getComputedStyle(element).backgroundColor);
    return own[3] === 1 ? own.slice(0, 3) : over(own, background(element.parentElement));
  };
  const light = (rgb) => rgb
    .map((part) => part / 255)
    .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const low = [];
  for (const element of root.querySelectorAll('h4, p, th, td, li, span, b, div, a, button, label, summary, code')) {
    const text = [...element.childNodes].filter((one) => one.nodeType === 3).map((one) => one.data).join('').trim();
    if (!text || !element.checkVisibility() || element.disabled || element.className === 'inb-offscreen') continue;
    const below = background(element);
    let [r, g, b, alpha] = parse(getComputedStyle(element).color);
    for (let at = element; at; at = at.parentElement) alpha *= Number(getComputedStyle(at).opacity);
    const colour = over([r, g, b, alpha], below);
    const [one, other] = [light(colour), light(below)].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05);
    if (ratio < 4.5) low.push(`${text}: ${ratio.toFixed(2)}`);
  }
  return low;
}"""
"""What Playwright's `evaluate` takes: lists texts below 4.5 with their ratio, but for disabled ones."""
