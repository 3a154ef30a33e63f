#include "auto_label_image_grounding/image/image_repack.h"

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "auto_label_image_grounding/image/image_headers.h"

namespace alig {
namespace {

const std::uint8_t* unsigned_bytes(std::string_view bytes) {
  return reinterpret_cast<const std::uint8_t*>(bytes.data());
}

bool makes_pixels(std::string_view type) {
  return type == "IHDR" || type == "PLTE" || type == "tRNS" || type == "IDAT" || type == "IEND";
}

// `chunk`: length, type, payload, checksum; the last one covers type and payload.
bool checksum_fits(std::string_view chunk) {
  const std::string_view covered = chunk.substr(4, chunk.size() - 8);
  const auto actual = ::crc32_z(0, unsigned_bytes(covered), covered.size());
  return actual == load_be32(unsigned_bytes(chunk.substr(chunk.size() - 4)));
}

std::string little_endian(std::uint32_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xFF);
  return out;
}

std::string riff_chunk(std::string_view type, std::string_view payload) {
  std::string out(type);
  out += little_endian(static_cast<std::uint32_t>(payload.size()), 4);
  out += payload;
  if (payload.size() % 2 != 0) out += '\0';
  return out;
}

// FourCC and payload of the RIFF chunk at the start of `rest`, which is advanced past it.
std::optional<std::pair<std::string_view, std::string_view>> take_riff_chunk(
    std::string_view& rest) {
  constexpr std::size_t kHeader = 8;
  if (rest.size() < kHeader) return std::nullopt;
  const std::size_t length = load_le32(unsigned_bytes(rest) + 4);
  if (length > rest.size() - kHeader) return std::nullopt;
  const std::pair out(rest.substr(0, 4), rest.substr(kHeader, length));
  rest.remove_prefix(std::min(rest.size(), kHeader + length + length % 2));
  return out;
}

tl::expected<WebpFrame, std::string> unpack_frame(std::string_view anmf) {
  constexpr std::size_t kFrameHeader = 16;
  if (anmf.size() < kFrameHeader) return tl::unexpected<std::string>("its first frame is damaged");
  const std::uint8_t* p = unsigned_bytes(anmf);
  WebpFrame out;
  out.x = static_cast<int>(2 * load_le24(p));  // stored in units of two pixels
  out.y = static_cast<int>(2 * load_le24(p + 3));
  const std::uint32_t width_minus_1 = load_le24(p + 6);
  const std::uint32_t height_minus_1 = load_le24(p + 9);

  constexpr std::uint32_t kAlphaFlag = 0x10;
  std::string body =
      riff_chunk("VP8X", little_endian(kAlphaFlag, 4) + little_endian(width_minus_1, 3) +
                             little_endian(height_minus_1, 3));
  anmf.remove_prefix(kFrameHeader);
  while (const auto chunk = take_riff_chunk(anmf)) {
    const auto& [type, payload] = *chunk;
    if (type == "ALPH" || type == "VP8 " || type == "VP8L") body += riff_chunk(type, payload);
  }
  out.webp = riff_chunk("RIFF", "WEBP" + body);
  return out;
}

}  // namespace

tl::expected<std::string, std::string> keep_png_pixels(std::string_view png) {
  constexpr std::size_t kSignature = 8;
  constexpr std::size_t kAroundPayload = 12;  // length, type, checksum
  if (png.size() < kSignature) return tl::unexpected<std::string>("it is cut off");
  std::string out(png.substr(0, kSignature));
  out.reserve(png.size());
  for (std::string_view rest = png.substr(kSignature);;) {
    const std::size_t length = rest.size() < 4 ? 0 : load_be32(unsigned_bytes(rest));
    if (rest.size() < kAroundPayload || length > rest.size() - kAroundPayload) {
      return tl::unexpected<std::string>("it is cut off inside a chunk");
    }
    const std::string_view chunk = rest.substr(0, kAroundPayload + length);
    const std::string_view type = chunk.substr(4, 4);
    if (makes_pixels(type)) {
      if (!checksum_fits(chunk)) {
        return tl::unexpected("the checksum of its " + std::string(type) + " chunk is wrong");
      }
      out += chunk;
    }
    if (type == "IEND") return out;
    rest.remove_prefix(chunk.size());
  }
}

std::string without_tiff_orientation(std::string tiff) {
  MemorySource source(tiff);
  const auto directory = TiffDirectory::read(source, 0, source.size());
  const auto* entry = directory ? directory->find(kTiffOrientation) : nullptr;
  if (entry == nullptr) return tiff;
  constexpr std::uint16_t kShort = 3;
  const bool one_is_first_byte = directory->little_endian() || entry->type < kShort;
  const std::size_t one = one_is_first_byte ? 0 : entry->type == kShort ? 1 : 3;
  for (std::size_t i = 0; i < 4; ++i) tiff[entry->position + i] = i == one ? '\x01' : '\0';
  return tiff;
}

bool tiff_has_declared_alpha(std::string_view tiff) {
  constexpr std::uint16_t kExtraSamples = 338;
  constexpr std::uint32_t kUnspecified = 0;
  MemorySource source(tiff);
  const auto directory = TiffDirectory::read(source, 0, source.size());
  return directory && directory->value(source, kExtraSamples).value_or(0) != kUnspecified;
}

tl::expected<WebpFrame, std::string> first_webp_frame(std::string_view animated) {
  constexpr std::size_t kRiffHeader = 12;
  animated.remove_prefix(std::min(animated.size(), kRiffHeader));
  while (const auto chunk = take_riff_chunk(animated)) {
    if (chunk->first == "ANMF") return unpack_frame(chunk->second);
  }
  return tl::unexpected<std::string>("it has no complete frame");
}

}  // namespace alig
