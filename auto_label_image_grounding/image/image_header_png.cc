#include "auto_label_image_grounding/image/image_headers.h"

namespace alig {
namespace {

constexpr std::uint64_t kSignature = 8;
constexpr std::uint64_t kChunkHeader = 8;  // length, type
constexpr std::uint64_t kChecksum = 4;

// False for a combination that the format does not know.
bool read_ihdr(ByteSource& source, std::uint64_t payload, HeaderFacts& out) {
  const auto raw = source.read<13>(payload);
  if (!raw) return false;
  out.width = load_be32(&(*raw)[0]);
  out.height = load_be32(&(*raw)[4]);
  const int bits = (*raw)[8];
  const int colour_type = (*raw)[9];
  out.plain = bits <= 8;
  const bool known_bits = bits == 1 || bits == 2 || bits == 4 || bits == 8 || bits == 16;
  const bool known_type = colour_type == 0 || colour_type == 2 || colour_type == 3 ||
                          colour_type == 4 || colour_type == 6;
  return known_bits && known_type;
}

bool is_animation(ByteSource& source, std::uint64_t actl_payload) {
  const auto frames = source.read<4>(actl_payload);
  return frames && load_be32(frames->data()) > 1;
}

}  // namespace

HeaderResult read_png_header(ByteSource& source) {
  HeaderFacts out;
  bool has_ihdr = false;
  bool has_image_data = false;
  for (std::uint64_t at = kSignature;;) {
    const auto header = source.read<kChunkHeader>(at);
    if (!header) return tl::unexpected<std::string>("it is cut off: it has no IEND chunk");
    const std::uint64_t length = load_be32(header->data());
    const std::string_view type = four_cc(&(*header)[4]);
    const std::uint64_t payload = at + kChunkHeader;
    at = payload + length + kChecksum;
    if (at > source.size()) {
      return tl::unexpected<std::string>("it is cut off inside a chunk");
    }
    if (!has_ihdr) {
      has_ihdr = type == "IHDR" && length == 13 && read_ihdr(source, payload, out);
      if (!has_ihdr) return tl::unexpected<std::string>("its IHDR chunk is damaged");
    } else if (type == "IDAT") {
      has_image_data = true;
    } else if (type == "eXIf") {
      out.orientation = read_exif_orientation(source, payload, length).value_or(1);
    } else if (type == "acTL") {
      out.plain = out.plain && !is_animation(source, payload);
    } else if (type == "IEND") {
      break;
    }
  }
  if (!has_image_data) return tl::unexpected<std::string>("it has no image data");
  return out;
}

}  // namespace alig
