/** Keeps a text area as high as its text, up to a limit. It does not know what the text is for. */

export class Grower {
  /**
   * @param {HTMLTextAreaElement} area
   * @param {number} limit pixels
   */
  constructor(area, limit) {
    this.area = area;
    this.limit = limit;
    this.width = 0;
    this.asked = 0;
    this.resized = new ResizeObserver(() => this.#resized());
  }

  /** Fits whenever the area is shown or becomes wider or narrower, until `end`. */
  begin() {
    this.resized.observe(this.area);
    this.fit();
  }

  /** Ends what outlives the area. */
  end() {
    this.resized.disconnect();
    cancelAnimationFrame(this.asked);
  }

  /** Fits the height to the text. An area that is not laid out (in a hidden tab) measures 0 and stays as it is. */
  fit() {
    const { area, limit } = this;
    this.width = area.offsetWidth;
    if (this.width === 0) return;
    area.style.height = "auto";
    const wanted = area.scrollHeight + 2;
    area.style.height = `${Math.min(limit, wanted)}px`;
    area.style.overflowY = wanted > limit ? "auto" : "hidden";
  }

  /** Fits in the next frame: a size changed while sizes are being reported is an error in the browser's console. */
  #resized() {
    if (this.area.offsetWidth === this.width) return;
    cancelAnimationFrame(this.asked);
    this.asked = requestAnimationFrame(() => this.fit());
  }
}
