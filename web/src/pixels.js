// Pixels as Python has them: cut out, resize, take a mask back. A photo is
// {width, height, data}, data a Uint8ClampedArray or Float32Array of RGB.

// A square is {x, y, side, roll}: its middle and side in pixels, and by how many
// radians its upper side is turned clockwise. It may reach out of the photo.

export const SMALLEST_SIDE = 8;

/** The square that letterboxing makes of a photo: see geometry/letterbox.py. */
export function wholeSquare({ width, height }) {
  const side = Math.max(width, height);
  const left = Math.floor((side - width) / 2);
  const top = Math.floor((side - height) / 2);
  const half = (side - 1) / 2;
  return { x: half - left, y: half - top, side, roll: 0 };
}

// Halves go to the even number, as TensorFlow has it.
function round(value) {
  const below = Math.floor(value);
  return value - below === 0.5 ? below + (below % 2 ? 1 : 0) : Math.round(value);
}

/** How a square lies on the photo: `Cut` of inference/squares.py. */
export function placeSquare(square, upright) {
  const side = Math.max(round(square.side), SMALLEST_SIDE);
  const isUpright = Math.abs(square.roll) <= upright;
  const roll = isUpright ? 0 : square.roll;
  const cos = Math.cos(roll);
  const sin = Math.sin(roll);
  const half = (side - 1) / 2;
  let left = square.x - (cos - sin) * half;
  let top = square.y - (sin + cos) * half;
  if (isUpright) [left, top] = [round(left), round(top)];
  return { side, cos, sin, left, top };
}

/** Cuts a placed square out of a photo; black where there is no photo. */
export function cutSquare(photo, { side, cos, sin, left, top }) {
  const { width, height, data } = photo;
  const cut = new Float32Array(side * side * 3);
  for (let row = 0, to = 0; row < side; row++) {
    for (let column = 0; column < side; column++, to += 3) {
      const x = cos * column - sin * row + left;
      const y = sin * column + cos * row + top;
      const x0 = Math.floor(x);
      const y0 = Math.floor(y);
      for (let down = 0; down < 2; down++) {
        const py = y0 + down;
        const share = down ? y - y0 : 1 - (y - y0);
        if (share === 0 || py < 0 || py >= height) continue;
        for (let right = 0; right < 2; right++) {
          const px = x0 + right;
          const weight = share * (right ? x - x0 : 1 - (x - x0));
          if (weight === 0 || px < 0 || px >= width) continue;
          const from = (py * width + px) * 3;
          cut[to] += weight * data[from];
          cut[to + 1] += weight * data[from + 1];
          cut[to + 2] += weight * data[from + 2];
        }
      }
    }
  }
  return { width: side, height: side, data: cut };
}

/** What an antialiased bilinear resize reads: inference/fixed_size.py. */
export function triangleWeights(size, target) {
  const ratio = size / target;
  const reach = Math.max(ratio, 1);
  return Array.from({ length: target }, (_, index) => {
    const center = (index + 0.5) * ratio - 0.5;
    const first = Math.max(Math.ceil(center - reach), 0);
    const last = Math.min(Math.floor(center + reach), size - 1);
    const weights = [];
    for (let i = first; i <= last; i++) {
      weights.push(Math.max(1 - Math.abs(i - center) / reach, 0));
    }
    const sum = weights.reduce((a, b) => a + b, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

/** Resizes as `tf.image.resize(photo, antialias=True)` does. */
export function resize(photo, width, height) {
  return resizeColumns(resizeRows(photo, height), width);
}

function resizeRows(photo, target) {
  const { width, height, data } = photo;
  if (height === target) return photo;
  const stride = width * 3;
  const result = new Float32Array(target * stride);
  triangleWeights(height, target).forEach(({ first, weights }, row) => {
    const to = row * stride;
    weights.forEach((weight, tap) => {
      const from = (first + tap) * stride;
      for (let i = 0; i < stride; i++) result[to + i] += weight * data[from + i];
    });
  });
  return { width, height: target, data: result };
}

function resizeColumns(photo, target) {
  const { width, height, data } = photo;
  if (width === target) return photo;
  const result = new Float32Array(height * target * 3);
  const columns = triangleWeights(width, target);
  for (let row = 0; row < height; row++) {
    columns.forEach(({ first, weights }, column) => {
      const to = (row * target + column) * 3;
      let from = (row * width + first) * 3;
      for (const weight of weights) {
        result[to] += weight * data[from++];
        result[to + 1] += weight * data[from++];
        result[to + 2] += weight * data[from++];
      }
    });
  }
  return { width: target, height, data: result };
}

/** Brings a photo into the middle of a square: `tf.image.resize_with_pad`. */
export function resizeWithPad(photo, side) {
  const ratio = Math.max(photo.width, photo.height) / side;
  const [width, height] = [photo.width / ratio, photo.height / ratio];
  const small = resize(photo, Math.max(Math.floor(width), 1), Math.max(Math.floor(height), 1));
  const left = -Math.floor((side - width) / 2);
  const top = -Math.floor((side - height) / 2);
  return cutSquare(small, { side, cos: 1, sin: 0, left, top });
}

/** Whole values 0..255, as the exported model takes them. */
export function toBytes(data) {
  return Uint8Array.from(data, (value) => Math.min(Math.max(Math.floor(value + 0.5), 0), 255));
}

/**
 * Takes the mask of a placed square to a photo `factor` times as large as the one that
 * it was cut from. Of the four mask pixels around a photo's pixel the class with most
 * weight wins, so that edges stay smooth where a pixel of the mask is many of the
 * photo. What lies outside the square is background.
 */
export function maskToPhoto(mask, maskSide, place, { width, height }, factor = 1) {
  const { side, cos, sin, left, top } = place;
  const result = new Uint8Array(width * height);
  const scale = maskSide / side;
  for (let row = 0, to = 0; row < height; row++) {
    const dy = (row + 0.5) / factor - 0.5 - top;
    for (let column = 0; column < width; column++, to++) {
      const dx = (column + 0.5) / factor - 0.5 - left;
      const u = (cos * dx + sin * dy + 0.5) * scale;
      const v = (cos * dy - sin * dx + 0.5) * scale;
      if (u < 0 || v < 0 || u > maskSide || v > maskSide) continue;
      result[to] = vote(mask, maskSide, u - 0.5, v - 0.5);
    }
  }
  return result;
}

function vote(mask, side, u, v) {
  const x = Math.min(Math.max(u, 0), side - 1);
  const y = Math.min(Math.max(v, 0), side - 1);
  const x0 = Math.floor(x);
  const y0 = Math.floor(y);
  const x1 = Math.min(x0 + 1, side - 1);
  const y1 = Math.min(y0 + 1, side - 1);
  const ids = [mask[y0 * side + x0], mask[y0 * side + x1], mask[y1 * side + x0], mask[y1 * side + x1]];
  if (ids[0] === ids[1] && ids[0] === ids[2] && ids[0] === ids[3]) return ids[0];
  const [right, down] = [x - x0, y - y0];
  const shares = [(1 - right) * (1 - down), right * (1 - down), (1 - right) * down, right * down];
  let best = -1;
  let winner = 0;
  for (let i = 0; i < 4; i++) {
    let share = 0;
    for (let j = 0; j < 4; j++) if (ids[j] === ids[i]) share += shares[j];
    // Of equal ones the lower id, as NumPy's argmax has it.
    if (share > best || (share === best && ids[i] < winner)) [best, winner] = [share, ids[i]];
  }
  return winner;
}
