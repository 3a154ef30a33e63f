// Reading JSONL files of any size: forward with line numbers, and again by position.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "auto_label_image_grounding/base/status.h"

namespace alig {

// Where one line is in its file. `length` is in bytes, without the line end.
struct LinePosition {
  std::uint64_t offset = 0;
  std::uint32_t length = 0;
  std::uint32_t number = 0;  // 1-based
};

struct JsonlLine {
  LinePosition position;
  std::string_view text;  // valid until the next call of next()
};

// Owns the open file. next() belongs to one thread; read() may be called from any thread.
class JsonlFile {
 public:
  // kNotFound or kIo, naming the file.
  static Result<JsonlFile> open(const std::filesystem::path& path);
  JsonlFile(JsonlFile&& other) noexcept;
  JsonlFile& operator=(JsonlFile&&) = delete;
  ~JsonlFile();

  // The next line that is not blank, or nothing at the end. Strips a byte-order mark and "\r".
  Result<std::optional<JsonlLine>> next();
  // Reads a line again, at the position returned by next().
  Result<std::string> read(const LinePosition& position) const;

 private:
  JsonlFile(std::filesystem::path path, int fd) : path_(std::move(path)), fd_(fd) {}
  Result<bool> fill();

  std::filesystem::path path_;
  int fd_ = -1;
  std::string buffer_;
  std::size_t at_ = 0;               // read position in buffer_
  std::uint64_t buffer_offset_ = 0;  // of buffer_[0] in the file
  std::uint32_t line_number_ = 0;
};

}  // namespace alig
