#include "memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

namespace standin {
namespace {

constexpr unsigned char kPattern = 0xA5;
constexpr size_t kAlignment = 16;  // of what the kernels rely on: vectors of 16 bytes

size_t page() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

}  // namespace

uint64_t Memory::allocate(size_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (live_ + bytes > limit_) return 0;
  const size_t kept = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  const size_t data = (kept + page() - 1) / page() * page();
  const size_t mapped = data + 2 * page();
  auto mapping = static_cast<unsigned char*>(
      mmap(nullptr, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  if (mapping == MAP_FAILED) return 0;
  unsigned char* first = mapping + page();
  mprotect(first, data, PROT_READ | PROT_WRITE);
  std::memset(first, kPattern, data);
  unsigned char* pointer = first + data - kept;
  std::memset(pointer, 0xff, bytes);  // NaN in every float type: a read before a write shows
  const auto address = reinterpret_cast<uint64_t>(pointer);
  all_[address] = {mapping, mapped, bytes};
  live_ += bytes;
  return address;
}

bool Memory::release(uint64_t pointer) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = all_.find(pointer);
  if (found == all_.end()) return false;
  const bool was_intact = intact(pointer, found->second);
  munmap(found->second.mapping, found->second.mapped);
  live_ -= found->second.bytes;
  all_.erase(found);
  return was_intact;
}

bool Memory::covers(uint64_t pointer, size_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto next = all_.upper_bound(pointer);
  if (next == all_.begin()) return false;
  --next;
  return pointer + bytes <= next->first + next->second.bytes;
}

bool Memory::intact(uint64_t pointer, const Allocation& a) const {
  const unsigned char* end = a.mapping + a.mapped - page();
  const auto data = reinterpret_cast<const unsigned char*>(pointer);
  for (const unsigned char* p = a.mapping + page(); p < data; p++) {
    if (*p != kPattern) return false;
  }
  for (const unsigned char* p = data + a.bytes; p < end; p++) {
    if (*p != kPattern) return false;
  }
  return true;
}

bool Memory::intact() {
  std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& [pointer, allocation] : all_) {
    if (!intact(pointer, allocation)) return false;
  }
  return true;
}

size_t Memory::live_bytes() {
  std::lock_guard<std::mutex> lock(mutex_);
  return live_;
}

size_t Memory::live_allocations() {
  std::lock_guard<std::mutex> lock(mutex_);
  return all_.size();
}

}  // namespace standin
