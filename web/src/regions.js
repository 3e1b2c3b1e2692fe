// How large the classes of a mask are, and of what colour: stn_icnn_tf/regions.py.

/** Measures each class but background that is seen: pixels, share, mean colour. */
export function measureRegions(data, mask, classes) {
  const pixels = new Float64Array(classes.length);
  const sums = new Float64Array(classes.length * 3);
  for (let i = 0; i < mask.length; i++) {
    const id = mask[i];
    pixels[id] += 1;
    for (let channel = 0; channel < 3; channel++) sums[3 * id + channel] += data[3 * i + channel];
  }
  return classes
    .filter(({ id }) => id > 0 && pixels[id] > 0)
    .map(({ id, name, color }) => ({
      id,
      name: name.replaceAll("_", " "),
      color,
      pixels: pixels[id],
      share: pixels[id] / mask.length,
      rgb: [0, 1, 2].map((channel) => sums[3 * id + channel] / pixels[id]),
    }));
}

/** RGBA of the mask over a photo: each class tinted and outlined, one of them lit. */
export function drawOverlay(mask, width, classes, lit, opacity) {
  const rgba = new Uint8ClampedArray(mask.length * 4);
  const none = lit === null;
  for (let i = 0; i < mask.length; i++) {
    const id = mask[i];
    const column = i % width;
    const left = column ? mask[i - 1] : id;
    const above = i >= width ? mask[i - width] : id;
    const isEdge = id !== left || id !== above;
    const isLit = id === lit || (isEdge && (left === lit || above === lit));
    const shown = (isEdge && (id || left || above)) || (!isEdge && id);
    let color = classes[isEdge ? id || left || above : id].color;
    let alpha = 0;
    if (none && shown) alpha = isEdge ? 1 : opacity;
    else if (isLit && !none) {
      color = isEdge ? [255, 255, 255] : classes[lit].color;
      alpha = isEdge ? 1 : 0.62;
    } else if (!none) {
      // What is not lit steps back.
      color = [12, 14, 18];
      alpha = 0.55;
    }
    rgba.set([...color, 255 * alpha], 4 * i);
  }
  return rgba;
}
