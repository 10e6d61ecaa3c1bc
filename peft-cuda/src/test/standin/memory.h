// Device memory of the stand-in: each allocation ends at a page that cannot be touched, and begins
// behind one; the few bytes left over for alignment carry a pattern that is checked.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>

namespace standin {

class Memory {
 public:
  // 0 when the limit is reached.
  uint64_t allocate(size_t bytes);
  bool release(uint64_t pointer);
  // Whether [pointer, pointer + bytes) lies in one allocation.
  bool covers(uint64_t pointer, size_t bytes);
  // Whether nobody wrote to the bytes around the allocations.
  bool intact();
  size_t live_bytes();
  size_t live_allocations();
  void set_limit(size_t bytes) { limit_ = bytes; }
  size_t limit() const { return limit_; }

 private:
  struct Allocation {
    unsigned char* mapping;
    size_t mapped, bytes;
  };
  bool intact(uint64_t pointer, const Allocation& a) const;

  std::mutex mutex_;
  std::map<uint64_t, Allocation> all_;
  size_t live_ = 0, limit_ = size_t{1} << 33;
};

}  // namespace standin
