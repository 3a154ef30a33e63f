// Turns the description of a request body into bytes, piece by piece, without holding an image in
// memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <tl/expected.hpp>

#include "auto_label_image_grounding/http/transport.h"

namespace alig {

// Not thread-safe. Has at most one file open, and only within its part.
class BodyReader {
 public:
  // `body` must outlive the reader and stay unchanged.
  explicit BodyReader(const RequestBody& body) : body_(body) {}
  BodyReader(const BodyReader&) = delete;
  BodyReader& operator=(const BodyReader&) = delete;
  ~BodyReader() { close_file(); }

  // Fills `out` with the next bytes and returns how many; less than out.size() only at the end of
  // the body. kLocalFile if a file's size is no longer as described: the announced Content-Length
  // would be wrong, and a truncated image must not be labelled.
  tl::expected<std::size_t, TransportFault> read(std::span<char> out);

 private:
  using Progress = tl::expected<std::size_t, TransportFault>;

  Progress read_part(std::span<char> out);
  Progress read_text(std::string_view text, std::span<char> out);
  Progress read_base64(std::span<char> out);
  // Raw bytes of the current image: all of `raw`, or the rest of the image.
  Progress read_raw(std::span<unsigned char> raw);
  Progress read_raw_file(const Base64File& file, std::span<unsigned char> raw);
  tl::expected<void, TransportFault> open_file(const Base64File& file);
  std::size_t take_carry(std::span<char> out);
  void close_file();

  const RequestBody& body_;
  std::size_t part_ = 0;
  std::uint64_t offset_ = 0;     // in the current part: bytes of text, or raw bytes of an image
  std::array<char, 5> carry_{};  // one encoded group that fitted only in part
  std::size_t carry_begin_ = 4;  // carry_[carry_begin_, 4) is still to be returned
  int fd_ = -1;
};

}  // namespace alig
