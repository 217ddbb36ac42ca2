// Colours of charts: those of the style sheet, and a scale from quiet to loud.

/** The value of a custom property, as in `--line`, of an element. */
export function colour(name, element = document.documentElement) {
  return getComputedStyle(element).getPropertyValue(name).trim();
}

const STOPS = [ // evenly spaced, each lighter than the one before
  [6, 10, 30], [24, 29, 84], [60, 40, 122], [105, 47, 131], [152, 56, 124], [198, 71, 103], [233, 100, 76], [247, 146, 58], [250, 196, 82], [252, 243, 178],
];

/** 256 colours as [red, green, blue]. */
export const SCALE = Array.from({ length: 256 }, (_, i) => {
  const place = (i / 255) * (STOPS.length - 1);
  const low = Math.min(Math.floor(place), STOPS.length - 2);
  return STOPS[low].map((value, c) => Math.round(value + (place - low) * (STOPS[low + 1][c] - value)));
});

export const LOUDER = [214, 48, 39], QUIETER = [58, 124, 214]; // than normal

/** Prepare a canvas for drawing in CSS pixels; its context, width and height, or null while it is not shown. */
export function prepare(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  if (!width || !height) return null;
  const ratio = devicePixelRatio || 1;
  const pixels = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== pixels[0] || canvas.height !== pixels[1]) [canvas.width, canvas.height] = pixels;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}
