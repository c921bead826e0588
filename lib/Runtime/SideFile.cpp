//===- SideFile.cpp - the constants beside the library ---------------------===//
// A safetensors file with one U8 tensor named "constants", mapped and never copied. Its metadata carry a hash that ties
// it to this library.
//===----------------------------------------------------------------------===//
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "lib/Runtime/State.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace ssm;

constexpr uint64_t kLargestHeader = 1 << 20;

/// NAME.safetensors for NAME.so; false when the path is too long.
static bool replaceExtension(const char *library, char *path, size_t room) {
  const char *slash = strrchr(library, '/'), *dot = strrchr(library, '.');
  bool hasDot = dot && dot != library && (!slash || dot > slash + 1);
  int stem = hasDot ? int(dot - library) : int(strlen(library));
  return size_t(snprintf(path, room, "%.*s.safetensors", stem, library)) < room;
}

/// Opens the file beside this library, also when the library was reached through a link.
static int openBeside(char *path, size_t room) {
  Dl_info info;
  errno = ENOENT;
  if (!dladdr(reinterpret_cast<void *>(&replaceExtension), &info) || !info.dli_fname ||
      !replaceExtension(info.dli_fname, path, room))
    return -1;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  char real[PATH_MAX], second[PATH_MAX + 16];
  if (fd >= 0 || errno != ENOENT || !realpath(info.dli_fname, real) || !replaceExtension(real, second, sizeof second))
    return fd;
  return open(second, O_RDONLY | O_CLOEXEC);
}

/// The text behind "key": in a JSON header, or null.
static const char *field(const char *json, const char *key) {
  const char *at = json ? strstr(json, key) : nullptr;
  if (!at)
    return nullptr;
  at += strlen(key);
  while (*at == ' ' || *at == ':')
    ++at;
  return at;
}

static int32_t checkHeader(const char *path, const char *json) {
  const ssm_model_desc &desc = ssm_generated_model;
  const char *hash = field(json, "\"hash\""), *offsets = field(field(json, "\"constants\""), "\"data_offsets\"");
  if (!hash || *hash++ != '"' || !offsets)
    return error(1, "'%s' does not hold the constants of this library", path);
  size_t length = strcspn(hash, "\"");
  if (length != strlen(desc.side_hash) || strncmp(hash, desc.side_hash, length))
    return error(1, "'%s' belongs to another compilation: its hash is %.*s, the library expects %s", path,
                 int(length < 64 ? length : 64), hash, desc.side_hash);
  long long begin = -1, end = -1;
  if (sscanf(offsets, "[ %lld , %lld", &begin, &end) != 2 || begin != 0 || end != desc.side_bytes)
    return error(1, "'%s' holds %lld bytes of constants, the library expects %lld", path, end - begin,
                 (long long)desc.side_bytes);
  return 0;
}

static int32_t mapOpened(ssm_model *model, const char *path, int fd) {
  struct stat status;
  uint64_t header = 0;
  if (fstat(fd, &status) || pread(fd, &header, 8, 0) != 8 || header > kLargestHeader ||
      int64_t(8 + header) > status.st_size || (8 + header) % 64)
    return error(1, "'%s' is not a file of constants written by ssmc", path);
  char *json = static_cast<char *>(malloc(header + 1));
  if (!json)
    return error(2, "out of memory");
  bool whole = pread(fd, json, header, 8) == ssize_t(header);
  json[whole ? header : 0] = 0;
  int32_t code = checkHeader(path, json);
  free(json);
  if (code)
    return code;
  int64_t expected = 8 + int64_t(header) + ssm_generated_model.side_bytes;
  if (status.st_size < expected)
    return error(1, "'%s' is cut off: %lld bytes instead of %lld", path, (long long)status.st_size,
                 (long long)expected);
  model->mappingBytes = status.st_size;
  model->mapping = mmap(nullptr, model->mappingBytes, PROT_READ, MAP_PRIVATE, fd, 0);
  if (model->mapping == MAP_FAILED) {
    model->mapping = nullptr;
    return error(2, "cannot map '%s': %s", path, strerror(errno));
  }
  madvise(model->mapping, model->mappingBytes, MADV_WILLNEED); // reading starts now, beside what the caller does next
  model->side = static_cast<const char *>(model->mapping) + 8 + header;
  return 0;
}

int32_t ssm::mapSideFile(ssm_model *model, const char *given) {
  if (!ssm_generated_model.side_bytes)
    return 0;
  char beside[PATH_MAX + 16] = "the file of constants";
  int fd = given ? open(given, O_RDONLY | O_CLOEXEC) : openBeside(beside, sizeof beside);
  const char *path = given ? given : beside;
  if (fd < 0)
    return error(1, "cannot open '%s', the constants of this library: %s", path, strerror(errno));
  int32_t code = mapOpened(model, path, fd);
  close(fd);
  return code;
}
