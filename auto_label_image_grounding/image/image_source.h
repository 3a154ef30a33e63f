// Random access to the bytes of an image, in a file or in memory, for the header readers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "auto_label_image_grounding/base/status.h"

namespace alig {

// Not thread-safe: a source belongs to the call that opened it.
class ByteSource {
 public:
  virtual ~ByteSource() = default;

  std::uint64_t size() const { return size_; }  // bytes

  // Fills `out` from `offset` on. False, and `out` unspecified, if part of the range is beyond the
  // end or cannot be read.
  bool read(std::uint64_t offset, std::span<std::uint8_t> out);

  template <std::size_t N>
  std::optional<std::array<std::uint8_t, N>> read(std::uint64_t offset) {
    std::array<std::uint8_t, N> out{};
    if (!read(offset, out)) return std::nullopt;
    return out;
  }

  // errno of a failed read(2), 0 if none: distinguishes a bad disk from a short file.
  int io_error() const { return io_error_; }

 protected:
  explicit ByteSource(std::uint64_t size) : size_(size) {}
  // Only called with a range within [0, size()). Returns 0 or an errno.
  virtual int fetch(std::uint64_t offset, std::span<std::uint8_t> out) = 0;

 private:
  std::uint64_t size_;
  int io_error_ = 0;
};

class MemorySource : public ByteSource {
 public:
  // `bytes` must outlive the source.
  explicit MemorySource(std::string_view bytes) : ByteSource(bytes.size()), bytes_(bytes) {}

 protected:
  int fetch(std::uint64_t offset, std::span<std::uint8_t> out) override;

 private:
  std::string_view bytes_;
};

// Reads through a small window, so that scattered small reads need few system calls.
class FileSource : public ByteSource {
 public:
  // kNotFound or kIo; never blocks on a pipe or a device: these are kIo.
  static Result<std::unique_ptr<FileSource>> open(const std::filesystem::path& path);
  ~FileSource() override;
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

 protected:
  int fetch(std::uint64_t offset, std::span<std::uint8_t> out) override;

 private:
  FileSource(int fd, std::uint64_t size) : ByteSource(size), fd_(fd) {}
  int read_exactly(std::uint64_t offset, std::span<std::uint8_t> out) const;

  int fd_;
  std::uint64_t window_begin_ = 0;
  std::vector<std::uint8_t> window_;
};

inline std::uint16_t load_be16(const std::uint8_t* p) {
  return static_cast<std::uint16_t>(p[0] << 8 | p[1]);
}
inline std::uint16_t load_le16(const std::uint8_t* p) {
  return static_cast<std::uint16_t>(p[1] << 8 | p[0]);
}
inline std::uint32_t load_le24(const std::uint8_t* p) {
  return static_cast<std::uint32_t>(p[2]) << 16 | load_le16(p);
}
inline std::uint32_t load_be32(const std::uint8_t* p) {
  return static_cast<std::uint32_t>(load_be16(p)) << 16 | load_be16(p + 2);
}
inline std::uint32_t load_le32(const std::uint8_t* p) {
  return static_cast<std::uint32_t>(load_le16(p + 2)) << 16 | load_le16(p);
}

// "IHDR", "VP8X" …: the four bytes as text.
inline std::string_view four_cc(const std::uint8_t* p) {
  return {reinterpret_cast<const char*>(p), 4};
}

}  // namespace alig
