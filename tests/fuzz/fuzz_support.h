// What the fuzz targets share: their checks, the bytes as text, and files in memory.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "auto_label_image_grounding/data/annotation.h"

namespace alig::fuzz {

// Ends the process so that libFuzzer keeps the input.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: does not hold: %s\n", what);
  std::abort();
}

inline std::string_view as_text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Removes the first line from `text` and returns it without its end.
inline std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == text.npos ? text.size() : end + 1);
  return line;
}

inline void require_box(const BoundingBox& box, const ImageSize& image) {
  require(0 <= box.x1 && box.x1 < box.x2 && box.x2 <= image.width, "0 <= x1 < x2 <= width");
  require(0 <= box.y1 && box.y1 < box.y2 && box.y2 <= image.height, "0 <= y1 < y2 <= height");
}

inline void require_score(double score) {
  require(score >= 0 && score <= 1, "a score is a number in [0,1]");
}

// A file that never touches a disk, with a path by which it can be reopened.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view bytes) : fd_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    require(fd_ >= 0, "a file in memory could be made");
    const auto written = ::write(fd_, bytes.data(), bytes.size());
    require(written == static_cast<ssize_t>(bytes.size()), "the file in memory was filled");
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

}  // namespace alig::fuzz
