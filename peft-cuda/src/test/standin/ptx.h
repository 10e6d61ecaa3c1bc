// What the stand-in needs to know of a PTX module: target, ISA version, and its kernels' parameters.
#pragma once
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

namespace standin {

struct Ptx {
  int target = 0;   // 80 for sm_80
  int version = 0;  // 78 for 7.8
  std::map<std::string, std::vector<size_t>> kernels;  // bytes of each parameter

  static Ptx parse(const std::string& text) {
    Ptx ptx;
    const size_t version = text.find(".version ");
    if (version != std::string::npos) {
      const char* p = text.c_str() + version + 9;
      char* rest;
      const long major = std::strtol(p, &rest, 10);
      ptx.version = static_cast<int>(major * 10 + std::strtol(rest + 1, nullptr, 10));
    }
    const size_t target = text.find(".target sm_");
    if (target != std::string::npos) ptx.target = std::atoi(text.c_str() + target + 11);
    for (size_t at = 0; (at = text.find(".entry ", at)) != std::string::npos;) {
      at += 7;
      const size_t open = text.find('(', at), close = text.find(')', open);
      const size_t name_end = text.find_first_of("( \n\t", at);
      ptx.kernels[text.substr(at, name_end - at)] = sizes(text.substr(open + 1, close - open - 1));
      at = close;
    }
    return ptx;
  }

 private:
  static std::vector<size_t> sizes(const std::string& parameters) {
    std::vector<size_t> result;
    for (size_t at = 0; (at = parameters.find(".param", at)) != std::string::npos;) {
      at += 6;
      const size_t end = std::min(parameters.find(".param", at), parameters.size());
      const std::string one = parameters.substr(at, end - at);
      size_t bytes = 0;
      for (const char* type : {".u64", ".s64", ".b64", ".f64"}) bytes += 8 * has(one, type);
      for (const char* type : {".u32", ".s32", ".b32", ".f32"}) bytes += 4 * has(one, type);
      if (bytes == 0 && has(one, ".b8")) {
        const size_t bracket = one.find('[');
        bytes = bracket == std::string::npos ? 1 : std::strtoul(one.c_str() + bracket + 1, nullptr, 10);
      }
      result.push_back(bytes);
    }
    return result;
  }
  static size_t has(const std::string& text, const char* what) {
    return text.find(what) != std::string::npos;
  }
};

}  // namespace standin
