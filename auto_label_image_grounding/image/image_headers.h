// One header reader per image format, for image_info; otherwise included only by image_repack.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "auto_label_image_grounding/image/image_source.h"

namespace alig {

struct HeaderFacts {
  std::uint64_t width = 0;  // as stored; the caller must refuse zero and absurd sizes
  std::uint64_t height = 0;
  int orientation = 1;
  bool plain = true;
  bool lossy = false;
};

// The error says what is wrong with the file, without its name: "it is cut off: …".
using HeaderResult = tl::expected<HeaderFacts, std::string>;

// Each expects the file to begin with the format's signature.
HeaderResult read_jpeg_header(ByteSource& source);  // ITU-T T.81 annex B
HeaderResult read_png_header(ByteSource& source);   // W3C PNG (third edition)
HeaderResult read_webp_header(ByteSource& source);  // RFC 9649
HeaderResult read_gif_header(ByteSource& source);   // GIF89a
HeaderResult read_bmp_header(ByteSource& source);   // BITMAPFILEHEADER + core, info, V4, V5
HeaderResult read_tiff_header(ByteSource& source);  // TIFF 6.0, first directory

// The first image file directory of a TIFF, which is also the form of an EXIF block. Offsets in it
// count from `begin`; nothing outside [begin, begin + length) is read.
class TiffDirectory {
 public:
  struct Entry {
    std::uint16_t tag = 0;
    std::uint16_t type = 0;
    std::uint32_t count = 0;
    std::uint64_t position = 0;  // of the entry's value field in the source
  };

  // nullopt if there is no TIFF header or directory. A truncated directory keeps the entries that
  // are there; see complete().
  static std::optional<TiffDirectory> read(ByteSource& source, std::uint64_t begin,
                                           std::uint64_t length);

  const Entry* find(std::uint16_t tag) const;  // the first of that tag
  // Element `index` of an unsigned BYTE, SHORT or LONG entry; nullopt for other types or out of
  // range.
  std::optional<std::uint32_t> value(ByteSource& source, const Entry& entry,
                                     std::uint32_t index = 0) const;
  std::optional<std::uint32_t> value(ByteSource& source, std::uint16_t tag) const;
  bool complete() const { return complete_; }
  bool has_next() const { return has_next_; }
  bool little_endian() const { return little_endian_; }

 private:
  std::uint16_t load16(const std::uint8_t* p) const;
  std::uint32_t load32(const std::uint8_t* p) const;

  std::vector<Entry> entries_;
  std::uint64_t begin_ = 0;
  std::uint64_t end_ = 0;
  bool little_endian_ = true;
  bool complete_ = false;
  bool has_next_ = false;
};

constexpr std::uint16_t kTiffOrientation = 0x0112;

// Orientation 1..8 of the EXIF block at [begin, begin + length), with or without its "Exif\0\0"
// prefix; nullopt if it has none.
std::optional<int> read_exif_orientation(ByteSource& source, std::uint64_t begin,
                                         std::uint64_t length);

}  // namespace alig
