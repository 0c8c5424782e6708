// Measures every frame once all are loaded, with all <details> open.
"use strict";

function luminance(colour) {
  const [r, g, b] = colour.match(/[\d.]+/g).map(Number).map(v => {
    const s = v / 255;
    return s <= 0.04045 ? s / 12.92 : Math.pow((s + 0.055) / 1.055, 2.4);
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a, b) {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

function background(view, element) {
  const paper = element.ownerSVGElement?.querySelector(".paper");
  if (paper) return view.getComputedStyle(paper).fill;
  for (let at = element; at; at = at.parentElement) {
    const colour = view.getComputedStyle(at).backgroundColor;
    if (!colour.endsWith(", 0)") && colour !== "transparent") return colour;
  }
  return "rgb(255, 255, 255)";
}

function measure(frame) {
  const view = frame.contentWindow, page = frame.contentDocument;
  page.querySelectorAll("details").forEach(details => { details.open = true; });
  const outside = [], overlapping = [], faint = [];
  let texts = 0;
  for (const svg of page.querySelectorAll("svg.plot")) {
    const box = svg.viewBox.baseVal;
    const labels = [...svg.querySelectorAll("text")].map(text => [text.textContent, text.getBBox()]);
    labels.forEach(([words, a], i) => {
      const inside = a.x >= box.x && a.y >= box.y &&
        a.x + a.width <= box.x + box.width && a.y + a.height <= box.y + box.height;
      if (!inside) outside.push(words);
      for (const [others, b] of labels.slice(i + 1)) {
        // Boxes of text have room above and below the letters.
        const wide = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
        const high = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
        if (wide > 0 && high > 3) overlapping.push(words + " / " + others);
      }
    });
  }
  const walker = page.createTreeWalker(page.documentElement, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || element.closest("style, head, title")) continue;
    texts += 1;
    const style = view.getComputedStyle(element);
    const colour = element.ownerSVGElement ? style.fill : style.color;
    const ratio = contrast(colour, background(view, element));
    if (ratio < 4.5) faint.push(node.data.trim().slice(0, 40) + " " + ratio.toFixed(2));
  }
  return {
    file: frame.getAttribute("src"),
    width: view.innerWidth,
    scrollWidth: (page.scrollingElement || page.documentElement).scrollWidth,
    dark: view.matchMedia("(prefers-color-scheme: dark)").matches,
    loaded: view.performance.getEntriesByType("resource").map(entry => entry.name),
    texts, outside, overlapping, faint,
  };
}

addEventListener("load", () => {
  const frames = [...document.querySelectorAll("iframe")];
  document.getElementById("measured").textContent = JSON.stringify(frames.map(measure));
});
