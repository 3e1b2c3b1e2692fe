// From a file or a webcam to pixels.

// More pixels than a million are neither shown nor tinted; masks are saved at the
// file's own size all the same.
const MOST_PIXELS = 2 ** 20;
const MOST_BYTES = 100e6;

/**
 * Reads a file, upright as its EXIF data say.
 *
 * @returns {width, height, rgba, full}: the photo, at most a million pixels; and the size
 *   of the file's.
 */
export async function readPhoto(file) {
  if (file.size > MOST_BYTES) throw new Error(`${file.name} is larger than 100 MB.`);
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(`${file.name || "This file"} cannot be read as a picture. JPEG, PNG and WebP work.`);
  }
  const photo = pixelsOf(bitmap, bitmap.width, bitmap.height);
  bitmap.close();
  return photo;
}

/** Reads what a video shows just now. */
export const readFrame = (video) => pixelsOf(video, video.videoWidth, video.videoHeight);

function pixelsOf(source, fullWidth, fullHeight) {
  const shrink = Math.min(Math.sqrt(MOST_PIXELS / (fullWidth * fullHeight)), 1);
  const width = Math.max(Math.round(fullWidth * shrink), 2);
  const height = Math.max(Math.round(fullHeight * shrink), 2);
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#fff"; // Behind what is transparent.
  context.fillRect(0, 0, width, height);
  context.drawImage(source, 0, 0, width, height);
  const { data: rgba } = context.getImageData(0, 0, width, height);
  return { width, height, rgba, full: { width: fullWidth, height: fullHeight } };
}
