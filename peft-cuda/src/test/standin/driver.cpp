// libcuda.so.1 for a machine without a GPU: the driver API's calls that this project makes, with the
// driver's own manners (a context must be current, a fault is sticky), and a few exports of its own
// by which tests choose what device there seems to be and what goes wrong.
#include <chrono>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "engine.h"
#include "memory.h"
#include "ptx.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

using standin::Index3;
using standin::Order;
using standin::Outcome;

namespace {

// the driver's numbers
enum Result {
  kSuccess = 0,
  kInvalidValue = 1,
  kOutOfMemory = 2,
  kNotInitialized = 3,
  kNoDevice = 100,
  kInvalidDevice = 101,
  kInvalidImage = 200,
  kInvalidContext = 201,
  kNoBinary = 209,
  kUnsupportedPtx = 222,
  kInvalidHandle = 400,
  kNotFound = 500,
  kIllegalAddress = 700,
  kOutOfResources = 701,
  kIllegalInstruction = 715,
  kLaunchTimeout = 702,
};

struct Module {
  standin::Ptx ptx;
};
struct Function {
  const standin::Kernel* kernel;
  int dynamic_shared = 48 << 10;
};
struct Event {
  std::chrono::steady_clock::time_point at;
};
struct Fault {
  long after;
  int result;
};

struct Driver {
  std::mutex mutex;
  standin::Memory memory;
  bool initialized = false;
  int devices = 1, capability = 80, version = 12000;
  Order order = Order::kForward;
  long launches = 0, retained = 0;
  int lost = kSuccess;
  std::map<std::string, Fault> faults;
  std::set<Module*> modules;
  std::map<std::pair<Module*, std::string>, std::unique_ptr<Function>> functions;
};

Driver driver;
int context_object;
thread_local void* current_context = nullptr;

// What a call returns before it does anything; 0 to go on.
int enter(const char* call, bool needs_context) {
  std::lock_guard<std::mutex> lock(driver.mutex);
  const auto fault = driver.faults.find(call);
  if (fault != driver.faults.end() && fault->second.after-- == 0) {
    const int result = fault->second.result;
    driver.faults.erase(fault);
    if (result >= kIllegalAddress && result != kOutOfResources) driver.lost = result;
    return result;
  }
  if (!driver.initialized) return kNotInitialized;
  if (driver.lost != kSuccess) return driver.lost;
  return needs_context && current_context == nullptr ? kInvalidContext : kSuccess;
}

#define ENTER(needs_context) \
  if (const int refused = enter(__func__, needs_context)) return refused

}  // namespace

// ---- for tests -------------------------------------------------------------------------------

EXPORT void standin_reset() {
  std::lock_guard<std::mutex> lock(driver.mutex);
  driver.devices = 1;
  driver.capability = 80;
  driver.version = 12000;
  driver.order = Order::kForward;
  driver.launches = 0;
  driver.lost = kSuccess;
  driver.faults.clear();
  driver.memory.set_limit(size_t{1} << 33);
}
EXPORT int standin_set(const char* name, int64_t value) {
  std::lock_guard<std::mutex> lock(driver.mutex);
  const std::string key = name;
  if (key == "devices") driver.devices = static_cast<int>(value);
  else if (key == "capability") driver.capability = static_cast<int>(value);
  else if (key == "version") driver.version = static_cast<int>(value);
  else if (key == "memory") driver.memory.set_limit(static_cast<size_t>(value));
  else if (key == "order") driver.order = static_cast<Order>(value);
  else return -1;
  return 0;
}
// The call after the next `after` ones returns `result`; 700 and above, but 701, lose the context for good.
EXPORT void standin_fail(const char* call, int64_t after, int result) {
  std::lock_guard<std::mutex> lock(driver.mutex);
  driver.faults[call] = {after, result};
}
EXPORT int64_t standin_get(const char* name) {
  const std::string key = name;
  if (key == "allocations") return static_cast<int64_t>(driver.memory.live_allocations());
  if (key == "bytes") return static_cast<int64_t>(driver.memory.live_bytes());
  std::lock_guard<std::mutex> lock(driver.mutex);
  if (key == "launches") return driver.launches;
  if (key == "modules") return static_cast<int64_t>(driver.modules.size());
  if (key == "contexts") return driver.retained;
  return -1;
}

// ---- device and context ----------------------------------------------------------------------

EXPORT int cuInit(unsigned) {
  std::lock_guard<std::mutex> lock(driver.mutex);
  if (driver.devices == 0) return kNoDevice;
  driver.initialized = true;
  return kSuccess;
}
EXPORT int cuDriverGetVersion(int* version) {
  *version = driver.version;
  return kSuccess;
}
EXPORT int cuDeviceGetCount(int* count) {
  ENTER(false);
  *count = driver.devices;
  return kSuccess;
}
EXPORT int cuDeviceGet(int* device, int ordinal) {
  ENTER(false);
  if (ordinal < 0 || ordinal >= driver.devices) return kInvalidDevice;
  *device = ordinal;
  return kSuccess;
}
EXPORT int cuDeviceGetName(char* name, int bytes, int) {
  ENTER(false);
  snprintf(name, static_cast<size_t>(bytes), "stand-in (kernels on the CPU)");
  return kSuccess;
}
EXPORT int cuDeviceTotalMem_v2(size_t* bytes, int) {
  ENTER(false);
  *bytes = driver.memory.limit();
  return kSuccess;
}
EXPORT int cuDeviceGetAttribute(int* value, int attribute, int) {
  ENTER(false);
  switch (attribute) {
    case 75: *value = driver.capability / 10; break;
    case 76: *value = driver.capability % 10; break;
    case 16: *value = 4; break;            // multiprocessors
    case 1: *value = 1024; break;          // threads a block
    case 97: *value = 64 << 10; break;     // shared memory a block at most: sm_75's
    case 36: *value = 1000000; break;      // memory clock, kHz
    case 37: *value = 64; break;           // bus width
    default: return kInvalidValue;
  }
  return kSuccess;
}
EXPORT int cuDevicePrimaryCtxRetain(void** context, int) {
  ENTER(false);
  std::lock_guard<std::mutex> lock(driver.mutex);
  driver.retained++;
  *context = &context_object;
  return kSuccess;
}
EXPORT int cuDevicePrimaryCtxRelease_v2(int) {
  std::lock_guard<std::mutex> lock(driver.mutex);
  if (driver.retained == 0) return kInvalidContext;
  driver.retained--;
  return kSuccess;
}
EXPORT int cuCtxSetCurrent(void* context) {
  ENTER(false);
  current_context = context;
  return kSuccess;
}
EXPORT int cuCtxGetCurrent(void** context) {
  ENTER(false);
  *context = current_context;
  return kSuccess;
}
EXPORT int cuCtxSynchronize() {
  ENTER(true);
  return kSuccess;
}

// ---- memory ----------------------------------------------------------------------------------

EXPORT int cuMemAlloc_v2(uint64_t* pointer, size_t bytes) {
  ENTER(true);
  if (bytes == 0) return kInvalidValue;
  *pointer = driver.memory.allocate(bytes);
  return *pointer == 0 ? kOutOfMemory : kSuccess;
}
EXPORT int cuMemFree_v2(uint64_t pointer) {
  // memory goes back even when the context is lost, so that tests can count what leaks
  const bool known = driver.memory.release(pointer);
  ENTER(true);
  return known ? kSuccess : kInvalidValue;
}
EXPORT int cuMemGetInfo_v2(size_t* free, size_t* total) {
  ENTER(true);
  *total = driver.memory.limit();
  *free = *total - driver.memory.live_bytes();
  return kSuccess;
}
EXPORT int cuMemcpyHtoD_v2(uint64_t to, const void* from, size_t bytes) {
  ENTER(true);
  if (!driver.memory.covers(to, bytes)) return kInvalidValue;
  std::memcpy(reinterpret_cast<void*>(to), from, bytes);
  return kSuccess;
}
EXPORT int cuMemcpyDtoH_v2(void* to, uint64_t from, size_t bytes) {
  ENTER(true);
  if (!driver.memory.covers(from, bytes)) return kInvalidValue;
  std::memcpy(to, reinterpret_cast<const void*>(from), bytes);
  return kSuccess;
}
EXPORT int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void*) {
  ENTER(true);
  if (!driver.memory.covers(to, bytes) || !driver.memory.covers(from, bytes)) return kInvalidValue;
  std::memmove(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), bytes);
  return kSuccess;
}
EXPORT int cuMemsetD8Async(uint64_t to, unsigned char value, size_t count, void*) {
  ENTER(true);
  if (!driver.memory.covers(to, count)) return kInvalidValue;
  std::memset(reinterpret_cast<void*>(to), value, count);
  return kSuccess;
}

// ---- modules and launches --------------------------------------------------------------------

EXPORT int cuModuleLoadData(Module** module, const void* image) {
  ENTER(true);
  auto loaded = std::make_unique<Module>(Module{standin::Ptx::parse(static_cast<const char*>(image))});
  if (loaded->ptx.version == 0) return kInvalidImage;
  if (loaded->ptx.version > 80) return kUnsupportedPtx;  // a CUDA 12.0 driver takes ISA 8.0
  if (loaded->ptx.target > driver.capability) return kNoBinary;
  std::lock_guard<std::mutex> lock(driver.mutex);
  driver.modules.insert(loaded.get());
  *module = loaded.release();
  return kSuccess;
}
EXPORT int cuModuleUnload(Module* module) {
  std::lock_guard<std::mutex> lock(driver.mutex);
  if (driver.modules.erase(module) == 0) return kInvalidHandle;
  for (auto it = driver.functions.begin(); it != driver.functions.end();) {
    it = it->first.first == module ? driver.functions.erase(it) : std::next(it);
  }
  delete module;
  return kSuccess;
}
EXPORT int cuModuleGetFunction(Function** function, Module* module, const char* name) {
  ENTER(true);
  const auto entry = module->ptx.kernels.find(name);
  const standin::Kernel* kernel = standin::find_kernel(name);
  if (entry == module->ptx.kernels.end() || kernel == nullptr) return kNotFound;
  if (entry->second != kernel->argument_bytes) {
    fprintf(stderr, "standin: the PTX of %s takes other parameters than its source\n", name);
    return kInvalidImage;
  }
  std::lock_guard<std::mutex> lock(driver.mutex);
  auto& slot = driver.functions[{module, name}];
  if (!slot) slot.reset(new Function{kernel});
  *function = slot.get();
  return kSuccess;
}
EXPORT int cuFuncSetAttribute(Function* function, int attribute, int value) {
  ENTER(true);
  if (attribute != 8 || value > 64 << 10) return kInvalidValue;
  function->dynamic_shared = value;
  return kSuccess;
}
EXPORT int cuFuncGetAttribute(int* value, int attribute, Function* function) {
  ENTER(true);
  if (attribute != 0) return kInvalidValue;
  *value = static_cast<int>(function->kernel->max_threads);
  return kSuccess;
}
EXPORT int cuLaunchKernel(Function* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                          unsigned by, unsigned bz, unsigned shared, void*, void** arguments, void**) {
  ENTER(true);
  if (gx == 0 || gy == 0 || gz == 0 || gy > 65535 || gz > 65535 || gx > 0x7fffffffu) return kInvalidValue;
  if (bx == 0 || by == 0 || bz == 0 || bx * by * bz > 1024) return kInvalidValue;
  if (bx * by * bz > function->kernel->max_threads) return kOutOfResources;
  if (static_cast<int>(shared) > function->dynamic_shared) return kInvalidValue;
  {
    std::lock_guard<std::mutex> lock(driver.mutex);
    driver.launches++;
  }
  const Outcome outcome = standin::run_grid(*function->kernel, {gx, gy, gz}, {bx, by, bz}, shared,
                                            arguments, driver.order);
  int result = outcome == Outcome::kDone           ? kSuccess
               : outcome == Outcome::kIllegalAddress ? kIllegalAddress
               : outcome == Outcome::kTrap           ? kIllegalInstruction
                                                     : kLaunchTimeout;
  if (result == kSuccess && !driver.memory.intact()) {
    fprintf(stderr, "standin: %s wrote beside an allocation\n", function->kernel->name);
    result = kIllegalAddress;
  }
  std::lock_guard<std::mutex> lock(driver.mutex);
  if (result != kSuccess) driver.lost = result;
  return result;
}

// ---- streams, events, errors -----------------------------------------------------------------

EXPORT int cuStreamSynchronize(void*) {
  ENTER(true);
  return kSuccess;
}
EXPORT int cuEventCreate(Event** event, unsigned) {
  ENTER(true);
  *event = new Event{};
  return kSuccess;
}
EXPORT int cuEventDestroy_v2(Event* event) {
  delete event;
  return kSuccess;
}
EXPORT int cuEventRecord(Event* event, void*) {
  ENTER(true);
  event->at = std::chrono::steady_clock::now();
  return kSuccess;
}
EXPORT int cuEventSynchronize(Event*) {
  ENTER(true);
  return kSuccess;
}
EXPORT int cuEventElapsedTime(float* milliseconds, Event* start, Event* end) {
  ENTER(true);
  *milliseconds = std::chrono::duration<float, std::milli>(end->at - start->at).count();
  return kSuccess;
}
EXPORT int cuGetErrorName(int, const char** name) {
  *name = "CUDA_ERROR_OF_STANDIN";
  return kSuccess;
}
EXPORT int cuGetErrorString(int, const char** text) {
  *text = "reported by the stand-in driver";
  return kSuccess;
}
