// The webcam, in a dialog.

import { readFrame } from "./photo.js";

const dialog = document.getElementById("camera");
const video = document.getElementById("video");

/** Returns a photo once one is taken, or null if the dialog is closed. */
export async function takePhoto() {
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } } });
  } catch {
    throw new Error("No webcam may be used here: there is none, or the browser does not allow it.");
  }
  video.srcObject = stream;
  await video.play();
  dialog.showModal();
  return new Promise((resolve) => {
    let photo = null;
    document.getElementById("take").onclick = () => {
      photo = readFrame(video);
      dialog.close();
    };
    document.getElementById("close").onclick = () => dialog.close();
    dialog.onclose = () => {
      for (const track of stream.getTracks()) track.stop();
      video.srcObject = null;
      resolve(photo);
    };
  });
}
