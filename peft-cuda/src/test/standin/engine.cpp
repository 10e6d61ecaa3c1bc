#include "engine.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>

#include "fiber.h"

namespace standin {
namespace {

constexpr size_t kStackBytes = 64 << 10;
constexpr size_t kSharedBytes = 256 << 10;
constexpr unsigned kMaxThreads = 1024;

std::map<std::string, Kernel>& kernels() {
  static std::map<std::string, Kernel> all;
  return all;
}

struct Copy {
  void* to;
  const void* from;
  bool present;
};

enum class State { kReady, kAtBarrier, kInWarp, kFinished };

struct Fiber {
  FiberContext context;
  Index3 index;
  unsigned linear = 0;
  State state = State::kReady;
  unsigned exchanges = 0;
  std::vector<Copy> copies;
};

struct Warp {
  uint64_t values[2][32];
  uint32_t arrived = 0, mask = 0;
};

// What one operating system thread needs to run blocks. Kept from launch to launch.
struct Worker {
  FiberContext scheduler;
  std::vector<Fiber> fibers = std::vector<Fiber>(kMaxThreads);
  std::vector<Warp> warps = std::vector<Warp>(kMaxThreads / 32);
  char* stacks = nullptr;
  unsigned char* shared = nullptr;
  Fiber* current = nullptr;
  unsigned threads = 0, waiting = 0, alive = 0;
  Index3 block, block_dim, grid_dim;
  size_t shared_size = 0;
  const Kernel* kernel = nullptr;
  void** arguments = nullptr;
  sigjmp_buf escape;
  Outcome fault = Outcome::kDone;

  Worker() {
    stacks = static_cast<char*>(mmap(nullptr, kStackBytes * kMaxThreads, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    const size_t page = sysconf(_SC_PAGESIZE);
    shared = static_cast<unsigned char*>(mmap(nullptr, kSharedBytes + page, PROT_READ | PROT_WRITE,
                                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    mprotect(shared + kSharedBytes, page, PROT_NONE);  // the guard behind dynamic shared memory
  }
};

// Workers wait here between launches, their stacks in place.
struct Idle {
  std::mutex mutex;
  std::vector<Worker*> workers;

  Worker& take() {
    std::lock_guard<std::mutex> lock(mutex);
    if (workers.empty()) return *new Worker;
    Worker* const last = workers.back();
    workers.pop_back();
    return *last;
  }
  void give_back(Worker& w) {
    std::lock_guard<std::mutex> lock(mutex);
    workers.push_back(&w);
  }
};
Idle idle;

thread_local Worker* worker = nullptr;

// The same for a signal handler, where touching a thread_local for the first time may allocate.
pthread_key_t worker_key() {
  static const pthread_key_t key = [] {
    pthread_key_t made;
    pthread_key_create(&made, nullptr);
    return made;
  }();
  return key;
}

void set_worker(Worker* w) {
  worker = w;
  pthread_setspecific(worker_key(), w);
}

void fiber_main() {
  Worker& w = *worker;
  w.kernel->body(w.arguments);
  Fiber& self = *w.current;
  if (!self.copies.empty()) finish_copies();
  self.state = State::kFinished;
  for (;;) self.context.switch_to(w.scheduler);
}

void wait_as(State state) {
  Fiber& self = *worker->current;
  self.state = state;
  self.context.switch_to(worker->scheduler);
}

void open_barrier_if_full(Worker& w) {
  if (w.waiting == 0 || w.waiting < w.alive) return;
  w.waiting = 0;
  for (unsigned i = 0; i < w.threads; i++) {
    if (w.fibers[i].state == State::kAtBarrier) w.fibers[i].state = State::kReady;
  }
}

Outcome run_block(Worker& w, const std::vector<unsigned>& order) {
  for (unsigned i = 0; i < w.threads; i++) {
    Fiber& f = w.fibers[i];
    f.linear = i;
    f.index = {i % w.block_dim.x, i / w.block_dim.x % w.block_dim.y,
               i / (w.block_dim.x * w.block_dim.y)};
    f.state = State::kReady;
    f.exchanges = 0;
    f.copies.clear();
    f.context.prepare(w.stacks + i * kStackBytes, kStackBytes, fiber_main);
  }
  for (auto& warp : w.warps) warp.arrived = 0;
  w.alive = w.threads;
  w.waiting = 0;
  while (w.alive > 0) {
    bool progress = false;
    for (unsigned i : order) {
      Fiber& f = w.fibers[i];
      if (f.state != State::kReady) continue;
      progress = true;
      w.current = &f;
      w.scheduler.switch_to(f.context);
      if (f.state == State::kFinished) {
        w.alive--;
        open_barrier_if_full(w);  // threads that have returned are not waited for
      }
    }
    if (!progress) return Outcome::kDeadlock;
  }
  return Outcome::kDone;
}

struct sigaction previous[NSIG];

// A fault inside a kernel ends the launch. Any other is somebody else's: the Java VM's own.
void on_fault(int signal, siginfo_t* info, void* context) {
  if (const auto w = static_cast<Worker*>(pthread_getspecific(worker_key()))) {
    w->fault = signal == SIGSEGV || signal == SIGBUS ? Outcome::kIllegalAddress : Outcome::kTrap;
    fprintf(stderr, "standin: %s in %s, block (%u,%u,%u) thread (%u,%u,%u), address %p\n",
            w->fault == Outcome::kTrap ? "undefined behaviour" : "illegal address", w->kernel->name,
            w->block.x, w->block.y, w->block.z, w->current->index.x, w->current->index.y,
            w->current->index.z, info->si_addr);
    siglongjmp(w->escape, 1);
  }
  const struct sigaction& old = previous[signal];
  if (old.sa_flags & SA_SIGINFO) {
    old.sa_sigaction(signal, info, context);
  } else if (old.sa_handler != SIG_DFL && old.sa_handler != SIG_IGN) {
    old.sa_handler(signal);
  } else {
    sigaction(signal, &old, nullptr);  // the faulting instruction runs again and ends the process
  }
}

void install_handlers() {
  static const bool done = [] {
    for (int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP}) {
      sigaction(signal, nullptr, &previous[signal]);
      struct sigaction action = previous[signal];
      action.sa_sigaction = on_fault;
      action.sa_flags |= SA_SIGINFO;
      sigaction(signal, &action, nullptr);
    }
    return true;
  }();
  (void)done;
}

// Runs body, and comes back when a fault ends it. A function of its own: what is longjmped over must
// not live in the frame that stays.
template <class Body>
__attribute__((noinline)) bool guarded(Worker& w, const Body& body) {
  if (sigsetjmp(w.escape, 1) != 0) return false;
  body();
  return true;
}

std::vector<unsigned> thread_order(unsigned threads, Order order) {
  std::vector<unsigned> result(threads);
  for (unsigned i = 0; i < threads; i++) result[i] = order == Order::kReverse ? threads - 1 - i : i;
  if (order == Order::kShuffled) std::shuffle(result.begin(), result.end(), std::mt19937(threads));
  return result;
}

}  // namespace

const Kernel* find_kernel(const char* name) {
  const auto found = kernels().find(name);
  return found == kernels().end() ? nullptr : &found->second;
}

void register_kernel(const Kernel& kernel) { kernels()[kernel.name] = kernel; }

const Index3& thread_index() { return worker->current->index; }
const Index3& block_index() { return worker->block; }
const Index3& block_shape() { return worker->block_dim; }
const Index3& grid_shape() { return worker->grid_dim; }

unsigned char* dynamic_shared() {
  return worker->shared + kSharedBytes - (worker->shared_size + 127) / 128 * 128;
}

void block_barrier() {
  worker->waiting++;
  worker->current->state = State::kAtBarrier;
  open_barrier_if_full(*worker);
  wait_as(worker->current->state);
}

const uint64_t* warp_exchange(unsigned mask, uint64_t value) {
  Fiber& self = *worker->current;
  Warp& warp = worker->warps[self.linear / 32];
  const unsigned lane = self.linear % 32, slot = self.exchanges++ & 1;
  if (warp.arrived == 0) warp.mask = mask;
  warp.values[slot][lane] = value;
  warp.arrived |= 1u << lane;
  if (warp.arrived == warp.mask && warp.mask == mask) {
    warp.arrived = 0;
    const unsigned first = self.linear / 32 * 32;
    for (unsigned i = first; i < std::min(first + 32, worker->threads); i++) {
      if (mask >> (i - first) & 1) worker->fibers[i].state = State::kReady;
    }
    return warp.values[slot];  // the last to come goes on
  }
  wait_as(State::kInWarp);
  return warp.values[slot];
}

void copy_later(void* to, const void* from, bool present) {
  worker->current->copies.push_back({to, from, present});
}

void finish_copies() {
  for (const Copy& copy : worker->current->copies) {
    if (copy.present) {
      std::memcpy(copy.to, copy.from, 16);
    } else {
      std::memset(copy.to, 0, 16);
    }
  }
  worker->current->copies.clear();
}

Outcome run_grid(const Kernel& kernel, Index3 grid, Index3 block, size_t shared_bytes,
                 void** arguments, Order order) {
  install_handlers();
  const unsigned threads = block.x * block.y * block.z;
  const std::vector<unsigned> sequence = thread_order(threads, order);
  const uint64_t blocks = static_cast<uint64_t>(grid.x) * grid.y * grid.z;
  std::atomic<uint64_t> next{0};
  std::atomic<int> outcome{static_cast<int>(Outcome::kDone)};
  auto work = [&] {
    Worker& w = idle.take();
    w.threads = threads;
    w.block_dim = block;
    w.grid_dim = grid;
    w.shared_size = shared_bytes;
    w.kernel = &kernel;
    w.arguments = arguments;
    set_worker(&w);
    const bool survived = guarded(w, [&] {
      for (uint64_t b; outcome == static_cast<int>(Outcome::kDone) && (b = next++) < blocks;) {
        w.block = {static_cast<unsigned>(b % grid.x), static_cast<unsigned>(b / grid.x % grid.y),
                   static_cast<unsigned>(b / grid.x / grid.y)};
        // what a block finds in dynamic shared memory is nobody's: all ones is NaN in every type
        std::memset(dynamic_shared(), 0xff, shared_bytes);
        const Outcome ended = run_block(w, sequence);
        if (ended != Outcome::kDone) {
          fprintf(stderr, "standin: %s, block (%u,%u,%u): threads wait for each other forever\n",
                  kernel.name, w.block.x, w.block.y, w.block.z);
          outcome = static_cast<int>(ended);
        }
      }
    });
    if (!survived) outcome = static_cast<int>(w.fault);
    set_worker(nullptr);
    idle.give_back(w);
  };
  // never on the caller's thread: it is the Java VM's, which looks at its stack
  const uint64_t wanted = std::min<uint64_t>(blocks, std::max(1u, std::thread::hardware_concurrency()));
  std::vector<std::thread> team;
  for (uint64_t i = 0; i < wanted; i++) team.emplace_back(work);
  for (auto& member : team) member.join();
  return static_cast<Outcome>(outcome.load());
}

}  // namespace standin
