// Where the face is: the rules of FaceSearch (stn_icnn_tf/inference/face_search.py),
// and candidates.py there, with the numbers of model.json. No networks here.

import { SMALLEST_SIDE, cutSquare, resize, resizeWithPad, wholeSquare } from "./pixels.js";

// How often the square around a face is cut out at most.
const CUTS = 2;
// Degrees: half of the step between turned candidates. What is cut out may as well be
// upright.
const UPRIGHT = 7.5;

const radians = (degrees) => (degrees * Math.PI) / 180;

/** Up to which roll, in radians, a square is cut out without a turn. */
export function uprightRoll(model) {
  return radians(Math.min(model.search.roll, UPRIGHT));
}

/** The square in which points lie as in the frame of the mean face, by least squares. */
export function squareAround(centers, meanCenters) {
  const [meanX, meanY] = mean(meanCenters);
  const [middleX, middleY] = mean(centers);
  let [spread, cos, sin] = [0, 0, 0];
  centers.forEach(([x, y], i) => {
    const [u, v] = [meanCenters[i][0] - meanX, meanCenters[i][1] - meanY];
    spread += u * u + v * v;
    cos += (x - middleX) * u + (y - middleY) * v;
    sin += (y - middleY) * u - (x - middleX) * v;
  });
  cos /= spread;
  sin /= spread;
  return {
    x: middleX - (cos * meanX - sin * meanY),
    y: middleY - (sin * meanX + cos * meanY),
    side: Math.max(2 * Math.hypot(cos, sin) + 1, SMALLEST_SIDE),
    roll: Math.atan2(sin, cos),
  };
}

function mean(points) {
  const sum = points.reduce(([a, b], [x, y]) => [a + x, b + y], [0, 0]);
  return sum.map((value) => value / points.length);
}

/** Whether a face's own square is close enough to the one it was seen in. */
export function fits(own, square, { smallest, largest, shift }, roll) {
  const ratio = own.side / square.side;
  const off = Math.max(Math.abs(own.x - square.x), Math.abs(own.y - square.y)) / square.side;
  return (
    ratio >= smallest &&
    ratio <= largest &&
    off <= shift &&
    Math.cos(own.roll - square.roll) >= Math.cos(roll)
  );
}

/**
 * The candidate crops of a photo: closer ones, and the whole photo turned. Each has its
 * `square`, and `view()`, the pixels that the coarse net takes.
 */
export function candidates(photo, { search, view: { side: size } }) {
  const { x, y, side } = wholeSquare(photo);
  // What a view shows is not finer than these.
  const finest = resizeWithPad(photo, 4 * size);
  const pictures = { 4: finest, 2: resize(finest, 2 * size, 2 * size) };
  const closer = search.closer.map(([zoom, right, down]) => {
    const [left, top] = [right, down].map((place) => Math.round(place * (zoom - 1) * size));
    return {
      square: {
        x: x + (1 - 1 / zoom) * (right - 0.5) * side,
        y: y + (1 - 1 / zoom) * (down - 0.5) * side,
        side: side / zoom,
        roll: 0,
      },
      view: () => cutSquare(pictures[zoom], { side: size, cos: 1, sin: 0, left, top }).data,
    };
  });
  const turned = search.rolls.map((degrees) => {
    const roll = radians(degrees);
    // Each pixel is read between four of the picture twice as fine.
    const [cos, sin] = [2 * Math.cos(roll), 2 * Math.sin(roll)];
    const half = (size - 1) / 2;
    const left = size - 0.5 - (cos - sin) * half;
    const top = size - 0.5 - (sin + cos) * half;
    return {
      square: { x, y, side, roll },
      view: () => cutSquare(pictures[2], { side: size, cos, sin, left, top }).data,
    };
  });
  return { closer, turned };
}

/**
 * Parses the face of a photo, wherever it is.
 *
 * @param photo {width, height, data}, RGB.
 * @param model What model.json holds.
 * @param parse Parses a square: {confidence, found, placed, centers}, centers in the photo.
 * @param look Tells how sure the coarse net is of a view, and how near to its middle the face
 *   is: {confidence, found, center}.
 * @returns What `parse` gave of the square that was taken, and that square.
 */
export async function findFace(photo, model, parse, look) {
  const limits = model.search;
  const isSure = ({ confidence, found }) =>
    confidence >= limits.confidence && found >= limits.found;
  const whole = wholeSquare(photo);
  const framed = { ...(await parse(whole)), square: whole };
  const own = squareAround(framed.centers, model.mean_centers);
  const inFrame = fits(own, whole, limits, radians(limits.roll));
  const sure = isSure(framed);
  if (sure && inFrame && framed.placed >= limits.placed) return framed;

  const cutUntilItFits = async (square, cuts) => {
    for (let cut = 1; ; cut++) {
      const result = { ...(await parse(square)), square };
      square = squareAround(result.centers, model.mean_centers);
      if (cut === cuts || fits(square, result.square, limits, uprightRoll(model))) return result;
    }
  };
  // Sunglasses hide parts: where the net is sure of all that it sees, and that lies as it
  // should, only a place that it is sure of as a whole is better; else any is.
  const isKept = inFrame && framed.confidence >= limits.confidence && framed.placed >= 1;
  let best = { result: framed, rating: isKept ? 1 : -1, placed: 0 };
  // What the coarse net is unsure of is worse than all that it is sure of.
  const rating = (result) =>
    Number(isSure(result)) + result.placed * (result.confidence * result.found) ** 3;
  // Whether no part of the best one so far lies at the edge of its window.
  const attempt = (result) => {
    const rated = { result, rating: rating(result), placed: result.placed };
    if (rated.rating > best.rating) best = rated;
    return best.placed >= 1;
  };
  const inOwnSquare = async () => attempt(inFrame ? framed : await cutUntilItFits(own, CUTS));
  if (sure && (await inOwnSquare())) return best.result;
  const tried = await bestCandidates(photo, model, look, isSure);
  const isBetter = tried[0].theirs > limits.more_confident * framed.confidence * framed.found;
  if (!sure && !isBetter && (await inOwnSquare())) return best.result;
  for (const { square } of tried) {
    // A candidate is not yet the face's own square, which is cut out of it.
    if (attempt(await cutUntilItFits(square, CUTS + 1))) break;
  }
  return best.result;
}

/** The candidates that are worth to be tried, the best one first. */
async function bestCandidates(photo, model, look, isSure) {
  const { closer, turned } = candidates(photo, model);
  const limits = model.search;
  const seen = [];
  const consider = async ({ square, view }) => {
    const said = await look(view());
    const theirs = said.confidence * said.found * said.center;
    const roll = Math.abs(square.roll);
    const more = roll > 0 ? limits.turned : 1;
    const less = roll > radians(limits.far) ? limits.far_turned : 1;
    const counted = theirs * (theirs > limits.sure_turn ? more : less);
    seen.push({ square, theirs, counted, sure: isSure(said) });
    seen.sort((a, b) => b.counted - a.counted);
  };
  for (const candidate of closer) await consider(candidate);
  // Python looks at the turned ones in any case. Here a look takes long, and who is
  // sure of an upright face seldom finds a better one lying down.
  if (!seen[0].sure) for (const candidate of turned) await consider(candidate);
  return seen.slice(0, limits.tried).filter(({ counted }) => counted >= limits.worth * seen[0].counted);
}
