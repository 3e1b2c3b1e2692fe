// sRGB and CIELAB (white point D65), as stn_icnn_tf/color.py has them.

const TO_XYZ = [
  [0.4124564, 0.3575761, 0.1804375],
  [0.2126729, 0.7151522, 0.072175],
  [0.0193339, 0.119192, 0.9503041],
].map((row) => row.map((value) => value / row.reduce((a, b) => a + b, 0)));
const TO_RGB = inverse(TO_XYZ);
const DELTA = 6 / 29;

const LINEAR = Float64Array.from({ length: 256 }, (_, index) => {
  const value = index / 255;
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
});

function inverse([[a, b, c], [d, e, f], [g, h, i]]) {
  const minors = [
    [e * i - f * h, c * h - b * i, b * f - c * e],
    [f * g - d * i, a * i - c * g, c * d - a * f],
    [d * h - e * g, b * g - a * h, a * e - b * d],
  ];
  const determinant = a * minors[0][0] + b * minors[1][0] + c * minors[2][0];
  return minors.map((row) => row.map((value) => value / determinant));
}

/** CIELAB of red, green and blue, whole numbers of 0..255. */
export function toLab(red, green, blue) {
  const [r, g, b] = [LINEAR[red], LINEAR[green], LINEAR[blue]];
  const [x, y, z] = TO_XYZ.map((row) => {
    const value = row[0] * r + row[1] * g + row[2] * b;
    return value > DELTA ** 3 ? Math.cbrt(value) : value / (3 * DELTA ** 2) + 4 / 29;
  });
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

/** Red, green and blue, 0..255; what no screen can show is clipped. */
export function toRgb(lightness, a, b) {
  const y = (lightness + 16) / 116;
  const [lx, ly, lz] = [y + a / 500, y, y - b / 200].map((value) =>
    value > DELTA ? value ** 3 : 3 * DELTA ** 2 * (value - 4 / 29),
  );
  return TO_RGB.map((row) => {
    const value = Math.min(Math.max(row[0] * lx + row[1] * ly + row[2] * lz, 0), 1);
    const bent = value <= 0.0031308 ? value * 12.92 : 1.055 * value ** (1 / 2.4) - 0.055;
    return Math.round(bent * 255);
  });
}

/** Reads `#rrggbb`. */
export function readHex(text) {
  return [1, 3, 5].map((start) => Number.parseInt(text.slice(start, start + 2), 16));
}

/** Writes `#rrggbb`. */
export function writeHex(rgb) {
  return `#${rgb.map((value) => Math.round(value).toString(16).padStart(2, "0")).join("")}`;
}
