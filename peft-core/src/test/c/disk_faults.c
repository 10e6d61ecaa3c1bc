/* Lets the n-th write, sync or rename of files below a folder fail with EIO. Loaded by LD_PRELOAD.
 * DISK_FAULTS is a file of three 64-bit numbers that the test maps too: how many operations to let
 * pass before the one that fails (0: none fails), whether all after it fail as well, and how many
 * have been seen. DISK_FAULTS_UNDER is the folder. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

static volatile int64_t *control;
static const char *under;

__attribute__((constructor)) static void start(void) {
  const char *file = getenv("DISK_FAULTS");
  under = getenv("DISK_FAULTS_UNDER");
  if (!file || !under) return;
  int fd = open(file, O_RDWR);
  if (fd < 0) return;
  void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (map != MAP_FAILED) control = map;
  close(fd);
}

static int fails(const char *path) {
  if (!control || strncmp(path, under, strlen(under)) != 0) return 0;
  int64_t seen = __sync_add_and_fetch(&control[2], 1);
  int64_t at = control[0];
  if (at == 0 || seen < at || (seen > at && !control[1])) return 0;
  errno = EIO;
  return 1;
}

static int failsOn(int fd) {
  if (!control || fd < 3) return 0;
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return fails(path);
}

#define NEXT(name) __typeof__(name) *next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *bytes, size_t count) {
  NEXT(write);
  return failsOn(fd) ? -1 : next(fd, bytes, count);
}
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
  NEXT(pwrite64);
  return failsOn(fd) ? -1 : next(fd, bytes, count, at);
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
  NEXT(writev);
  return failsOn(fd) ? -1 : next(fd, parts, count);
}
int fsync(int fd) {
  NEXT(fsync);
  return failsOn(fd) ? -1 : next(fd);
}
int fdatasync(int fd) {
  NEXT(fdatasync);
  return failsOn(fd) ? -1 : next(fd);
}
int rename(const char *from, const char *to) {
  NEXT(rename);
  return fails(to) ? -1 : next(from, to);
}
