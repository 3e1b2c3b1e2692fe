// Tinting, as stn_icnn_tf/effects.py and matting.py do it of a mask: photos are at most
// a million pixels here, which is what mattes are worked out at there.

import { toLab, toRgb } from "./color.js";

// How far edges are sought, as a part of the height from the brows to the lips.
const EDGE_REACH = 0.06;
// Of a refined matte: less is nothing, and more than 1 minus it is all.
const HAZE = 0.08;
const EPSILON = 1e-4;

/** Averages over squares of `2 * radius + 1` pixels, as much as the plane has. */
export function boxMean(plane, width, height, radius) {
  const rows = alongLines(plane, new Float64Array(plane.length), height, 1, width, width, radius);
  return alongLines(rows, rows, width, width, height, 1, radius);
}

function alongLines(plane, result, count, step, lines, lineStep, radius) {
  const sums = new Float64Array(count + 1);
  // `count` pixels, `lineStep` apart, of each of `lines` lines, `step` apart.
  for (let line = 0; line < lines; line++) {
    const start = line * step;
    for (let i = 0; i < count; i++) sums[i + 1] = sums[i] + plane[start + i * lineStep];
    for (let i = 0; i < count; i++) {
      const low = Math.max(i - radius, 0);
      const high = Math.min(i + radius + 1, count);
      result[start + i * lineStep] = (sums[high] - sums[low]) / (high - low);
    }
  }
  return result;
}

/** How far edges are sought in a mask: its parts' height, or its own, decides. */
export function edgeRadius(mask, width, partClasses) {
  const isPart = new Set(partClasses);
  const height = rowsOf(mask, width, (id) => isPart.has(id)) || rowsOf(mask, width, (id) => id > 0);
  return Math.max(Math.round(EDGE_REACH * height), 1);
}

function rowsOf(mask, width, isInside) {
  const first = mask.findIndex(isInside);
  if (first < 0) return 0;
  const last = mask.findLastIndex(isInside);
  return Math.floor(last / width) - Math.floor(first / width) + 1;
}

/** How much of each pixel is of some classes: the mask, softened and refined. */
export function matteOf(photo, mask, classes, radius) {
  const wanted = new Set(classes);
  const inside = Float64Array.from(mask, (id) => (wanted.has(id) ? 1 : 0));
  const { width, height } = photo;
  return refine(boxMean(inside, width, height, Math.floor(radius / 2)), photo, radius);
}

/**
 * Moves the edges of a matte onto those of its photo, by a guided filter:
 * He, Sun, Tang 2013, Guided Image Filtering, eq. 19 to 21.
 */
export function refine(matte, { width, height, data }, radius) {
  const size = width * height;
  const mean = (plane) => boxMean(plane, width, height, radius);
  const meanOf = (value) => {
    const plane = new Float64Array(size);
    for (let i = 0; i < size; i++) plane[i] = value(i);
    return mean(plane);
  };
  const colors = [0, 1, 2].map((channel) =>
    Float64Array.from({ length: size }, (_, i) => data[3 * i + channel] / 255),
  );
  const [red, green, blue] = colors;
  const means = colors.map(mean);
  const matteMean = mean(matte);
  const withMatte = colors.map((plane) => meanOf((i) => plane[i] * matte[i]));
  const products = [[red, red], [green, green], [blue, blue], [red, green], [red, blue], [green, blue]]
    .map(([one, other]) => meanOf((i) => one[i] * other[i]));
  const slopes = [0, 1, 2].map(() => new Float64Array(size));
  const offset = new Float64Array(size);
  for (let i = 0; i < size; i++) {
    const [mr, mg, mb] = [means[0][i], means[1][i], means[2][i]];
    const r = withMatte[0][i] - mr * matteMean[i];
    const g = withMatte[1][i] - mg * matteMean[i];
    const b = withMatte[2][i] - mb * matteMean[i];
    const rr = products[0][i] - mr * mr + EPSILON;
    const gg = products[1][i] - mg * mg + EPSILON;
    const bb = products[2][i] - mb * mb + EPSILON;
    const rg = products[3][i] - mr * mg;
    const rb = products[4][i] - mr * mb;
    const gb = products[5][i] - mg * mb;
    // Cramer's rule: the covariance of the colours is 3 x 3, and symmetric.
    const [m00, m01, m02] = [gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb];
    const [m11, m12, m22] = [rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg];
    const determinant = rr * m00 + rg * m01 + rb * m02;
    slopes[0][i] = (m00 * r + m01 * g + m02 * b) / determinant;
    slopes[1][i] = (m01 * r + m11 * g + m12 * b) / determinant;
    slopes[2][i] = (m02 * r + m12 * g + m22 * b) / determinant;
    offset[i] = matteMean[i] - slopes[0][i] * mr - slopes[1][i] * mg - slopes[2][i] * mb;
  }
  const refined = mean(offset);
  slopes.forEach((slope, channel) => {
    const smooth = mean(slope);
    for (let i = 0; i < size; i++) refined[i] += smooth[i] * colors[channel][i];
  });
  // The filter leaves a haze, where what is next to a class has its colours, too.
  return Float32Array.from(refined, (value) =>
    Math.min(Math.max((value - HAZE) / (1 - 2 * HAZE), 0), 1),
  );
}

/**
 * Gives pixels a colour, and leaves how light they are: CIELAB's L. Shadows and
 * highlights get less of it.
 *
 * @param data RGB of the photo; it is changed.
 * @param matte How much of each pixel is tinted, 0..1.
 * @param rgb The colour.
 * @param strength 0..1.
 */
export function tint(data, matte, rgb, strength) {
  const [lightness, ...chroma] = toLab(...rgb);
  const light = Math.min(Math.max(lightness, 1), 99);
  for (let i = 0; i < matte.length; i++) {
    const share = matte[i] * strength;
    if (share <= 0) continue;
    const [l, a, b] = toLab(data[3 * i], data[3 * i + 1], data[3 * i + 2]);
    const shade = Math.min(l / light, (100 - l) / (100 - light));
    const tinted = toRgb(l, a + share * (shade * chroma[0] - a), b + share * (shade * chroma[1] - b));
    data.set(tinted, 3 * i);
  }
}
