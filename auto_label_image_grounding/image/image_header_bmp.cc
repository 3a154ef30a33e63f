#include <cstdlib>

#include "auto_label_image_grounding/image/image_headers.h"

namespace alig {
namespace {

constexpr std::uint32_t kCoreHeader = 12;
constexpr std::uint32_t kRgb = 0;
constexpr std::uint32_t kBitFields = 3;

struct BmpHeader {
  std::int64_t width = 0;
  std::int64_t height = 0;  // negative: rows from the top
  std::uint32_t bits = 0;   // per pixel
  std::uint32_t compression = kRgb;
};

std::optional<BmpHeader> read_dib(ByteSource& source) {
  constexpr std::uint64_t kFileHeader = 14;
  const auto size = source.read<4>(kFileHeader);
  if (!size) return std::nullopt;
  BmpHeader out;
  if (load_le32(size->data()) == kCoreHeader) {
    const auto raw = source.read<kCoreHeader>(kFileHeader);
    if (!raw) return std::nullopt;
    out.width = load_le16(&(*raw)[4]);
    out.height = load_le16(&(*raw)[6]);
    out.bits = load_le16(&(*raw)[10]);
    return out;
  }
  const auto raw = source.read<20>(kFileHeader);
  if (!raw) return std::nullopt;
  out.width = static_cast<std::int32_t>(load_le32(&(*raw)[4]));
  out.height = static_cast<std::int32_t>(load_le32(&(*raw)[8]));
  out.bits = load_le16(&(*raw)[14]);
  out.compression = load_le32(&(*raw)[16]);
  return out;
}

// Bytes of the pixel rows; the padding of the last one may be missing. 0 where they are compressed.
std::uint64_t pixel_bytes(const BmpHeader& header) {
  const bool raw = header.compression == kRgb || header.compression == kBitFields;
  const auto height = static_cast<std::uint64_t>(std::abs(header.height));
  if (!raw || height == 0 || header.width <= 0) return 0;
  const std::uint64_t bits = static_cast<std::uint64_t>(header.width) * header.bits;
  return (bits + 31) / 32 * 4 * (height - 1) + (bits + 7) / 8;
}

}  // namespace

HeaderResult read_bmp_header(ByteSource& source) {
  const auto offset = source.read<4>(10);
  const auto header = read_dib(source);
  if (!offset || !header) return tl::unexpected<std::string>("it is cut off in its header");
  const std::uint32_t bits = header->bits;
  if (bits != 1 && bits != 4 && bits != 8 && bits != 16 && bits != 24 && bits != 32) {
    return tl::unexpected<std::string>("its header is damaged");
  }
  if (header->width < 0) return tl::unexpected<std::string>("its width is negative");
  if (load_le32(offset->data()) + pixel_bytes(*header) > source.size()) {
    return tl::unexpected<std::string>("it is cut off: pixel data lies outside the file");
  }
  HeaderFacts out;
  out.width = static_cast<std::uint64_t>(header->width);
  out.height = static_cast<std::uint64_t>(std::abs(header->height));
  out.plain = bits != 16 && header->compression <= kBitFields;
  return out;
}

}  // namespace alig
