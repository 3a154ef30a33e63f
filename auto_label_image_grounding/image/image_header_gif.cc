#include "auto_label_image_grounding/image/image_headers.h"

namespace alig {
namespace {

constexpr std::uint8_t kExtension = 0x21;
constexpr std::uint8_t kImage = 0x2C;
constexpr std::uint8_t kTrailer = 0x3B;

// Bytes of a colour table, from the flags of the descriptor before it.
std::uint64_t colour_table_size(std::uint8_t flags) {
  const bool present = (flags & 0x80) != 0;
  return present ? std::uint64_t{3} << ((flags & 0x07) + 1) : 0;
}

// Behind the zero-length block that ends a chain of data blocks; nullopt where it is cut off.
std::optional<std::uint64_t> skip_blocks(ByteSource& source, std::uint64_t at) {
  while (const auto length = source.read<1>(at)) {
    at += 1 + std::uint64_t{(*length)[0]};
    if ((*length)[0] == 0) return at;
  }
  return std::nullopt;
}

// Behind the image whose descriptor begins at `at`.
std::optional<std::uint64_t> skip_image(ByteSource& source, std::uint64_t at) {
  constexpr std::uint64_t kDescriptor = 10;
  const auto raw = source.read<kDescriptor>(at);
  if (!raw) return std::nullopt;
  constexpr std::uint64_t kCodeSize = 1;
  return skip_blocks(source, at + kDescriptor + colour_table_size((*raw)[9]) + kCodeSize);
}

}  // namespace

HeaderResult read_gif_header(ByteSource& source) {
  constexpr std::uint64_t kScreenDescriptor = 13;
  const auto screen = source.read<kScreenDescriptor>(0);
  if (!screen) return tl::unexpected<std::string>("it is cut off in its header");
  HeaderFacts out;
  out.width = load_le16(&(*screen)[6]);
  out.height = load_le16(&(*screen)[8]);

  int images = 0;
  std::optional<std::uint64_t> at = kScreenDescriptor + colour_table_size((*screen)[10]);
  while (at && images < 2) {
    const auto kind = source.read<1>(*at);
    if (!kind || (*kind)[0] == kTrailer) break;  // a missing trailer is harmless
    if ((*kind)[0] == kExtension) {
      at = skip_blocks(source, *at + 2);
    } else if ((*kind)[0] == kImage) {
      at = skip_image(source, *at);
      if (!at && images == 0) break;
      ++images;
    } else {
      break;  // junk after the last image
    }
  }
  if (images == 0) return tl::unexpected<std::string>("it is cut off: no complete image in it");
  out.plain = images == 1;
  return out;
}

}  // namespace alig
