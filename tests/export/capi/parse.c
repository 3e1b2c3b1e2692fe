/* Parses photos with an exported model and TensorFlow's C API: no Python.

   parse SAVED_MODEL pixels INPUT MASK WIDTH HEIGHT PHOTO.rgb MASK_FILE
   parse SAVED_MODEL encoded INPUT MASK ERROR PHOTO...

   INPUT, MASK and ERROR are tensors as `saved_model_cli show --all` names them, such
   as serving_default_images:0. `pixels` feeds bytes R G B R G B ... and writes a byte
   a pixel, its class. `encoded` feeds whole files, all at once, and writes
   PHOTO_mask.png for each, or prints what is wrong with it.

   The environment variable LD_LIBRARY_PATH, or an rpath, must lead to
   libtensorflow_cc.so.2 and libtensorflow_framework.so.2. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"
#include "tensorflow/c/tf_tstring.h"

static void fail(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why);
  exit(1);
}

static void check(const TF_Status *status, const char *what) {
  if (TF_GetCode(status) != TF_OK) fail(what, TF_Message(status));
}

static char *read_file(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  long length;
  char *data;
  if (!file || fseek(file, 0, SEEK_END) || (length = ftell(file)) < 0)
    fail(path, "cannot be read");
  rewind(file);
  *size = (size_t)length;
  data = malloc(*size + 1);
  if (!data || fread(data, 1, *size, file) != *size) fail(path, "cannot be read");
  fclose(file);
  return data;
}

static void write_file(const char *path, const void *data, size_t size) {
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(data, 1, size, file) != size || fclose(file))
    fail(path, "cannot be written");
}

/* Finds the tensor OPERATION:INDEX. */
static TF_Output find(TF_Graph *graph, const char *tensor) {
  TF_Output found;
  char name[256];
  const char *colon = strrchr(tensor, ':');
  if (!colon || (size_t)(colon - tensor) >= sizeof name)
    fail(tensor, "is no OPERATION:INDEX");
  memcpy(name, tensor, (size_t)(colon - tensor));
  name[colon - tensor] = '\0';
  found.oper = TF_GraphOperationByName(graph, name);
  found.index = atoi(colon + 1);
  if (!found.oper) fail(tensor, "is not in the graph");
  return found;
}

typedef struct {
  TF_Graph *graph;
  TF_Session *session;
  TF_Status *status;
} Model;

static Model load(const char *folder) {
  const char *tags[] = {"serve"};
  Model model = {TF_NewGraph(), NULL, TF_NewStatus()};
  TF_SessionOptions *options = TF_NewSessionOptions();
  model.session = TF_LoadSessionFromSavedModel(options, NULL, folder, tags, 1,
                                               model.graph, NULL, model.status);
  check(model.status, folder);
  TF_DeleteSessionOptions(options);
  return model;
}

static void run(Model model, const char *input, TF_Tensor *value, int count,
                char **outputs, TF_Tensor **results) {
  TF_Output feed = find(model.graph, input), fetches[2];
  for (int i = 0; i < count; ++i) fetches[i] = find(model.graph, outputs[i]);
  TF_SessionRun(model.session, NULL, &feed, &value, 1, fetches, results, count, NULL,
                0, NULL, model.status);
  check(model.status, "parse");
  TF_DeleteTensor(value);
}

static void parse_pixels(Model model, char **arguments) {
  const int64_t width = atoll(arguments[2]), height = atoll(arguments[3]);
  const int64_t shape[] = {1, height, width, 3};
  const size_t pixels = (size_t)(width * height);
  size_t size;
  char *photo = read_file(arguments[4], &size);
  TF_Tensor *images, *mask;
  if (size != 3 * pixels) fail(arguments[4], "is not WIDTH * HEIGHT * 3 bytes");
  images = TF_AllocateTensor(TF_UINT8, shape, 4, size);
  memcpy(TF_TensorData(images), photo, size);
  run(model, arguments[0], images, 1, &arguments[1], &mask);
  if (TF_TensorType(mask) != TF_UINT8 || TF_NumDims(mask) != 3 || TF_Dim(mask, 0) != 1 ||
      TF_Dim(mask, 1) != height || TF_Dim(mask, 2) != width)
    fail("mask", "is not uint8 (1, HEIGHT, WIDTH)");
  write_file(arguments[5], TF_TensorData(mask), pixels);
  TF_DeleteTensor(mask);
  free(photo);
}

static int parse_encoded(Model model, char **arguments, int photos) {
  const int64_t shape[] = {photos};
  char **paths = &arguments[3];
  TF_Tensor *results[2];
  TF_Tensor *encoded =
      TF_AllocateTensor(TF_STRING, shape, 1, (size_t)photos * sizeof(TF_TString));
  TF_TString *strings = TF_TensorData(encoded), *masks, *errors;
  int failed = 0;
  for (int i = 0; i < photos; ++i) {
    size_t size;
    char *data = read_file(paths[i], &size);
    TF_StringInit(&strings[i]);
    TF_StringCopy(&strings[i], data, size);
    free(data);
  }
  /* Deleting a tensor frees its strings, too. */
  run(model, arguments[0], encoded, 2, &arguments[1], results);
  masks = TF_TensorData(results[0]);
  errors = TF_TensorData(results[1]);
  for (int i = 0; i < photos; ++i) {
    if (TF_StringGetSize(&errors[i])) {
      printf("%s: %.*s\n", paths[i], (int)TF_StringGetSize(&errors[i]),
             TF_StringGetDataPointer(&errors[i]));
      failed = 1;
    } else {
      char path[4096];
      snprintf(path, sizeof path, "%s_mask.png", paths[i]);
      write_file(path, TF_StringGetDataPointer(&masks[i]), TF_StringGetSize(&masks[i]));
    }
  }
  TF_DeleteTensor(results[0]);
  TF_DeleteTensor(results[1]);
  return failed;
}

int main(int argc, char **argv) {
  const int pixels = argc == 9 && !strcmp(argv[2], "pixels");
  int failed = 0;
  Model model;
  if (!pixels && (argc < 7 || strcmp(argv[2], "encoded")))
    fail("usage",
         "parse SAVED_MODEL pixels INPUT MASK WIDTH HEIGHT PHOTO.rgb MASK_FILE\n"
         "       parse SAVED_MODEL encoded INPUT MASK ERROR PHOTO...");
  model = load(argv[1]);
  if (pixels)
    parse_pixels(model, &argv[3]);
  else
    failed = parse_encoded(model, &argv[3], argc - 6);
  TF_CloseSession(model.session, model.status);
  TF_DeleteSession(model.session, model.status);
  TF_DeleteGraph(model.graph);
  TF_DeleteStatus(model.status);
  return failed;
}
