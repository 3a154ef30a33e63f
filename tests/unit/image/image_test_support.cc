#include "image_test_support.h"

#include <stdlib.h>
#include <cstdlib>

#include <fstream>
#include <stdexcept>
#include <system_error>

namespace alig::image_test {
namespace {

std::string bytes_of(std::uint32_t value, int count, ByteOrder order) {
  std::string out;
  for (int i = 0; i < count; ++i) {
    const int shift = 8 * (order == ByteOrder::kLittle ? i : count - 1 - i);
    out += static_cast<char>(value >> shift & 0xFF);
  }
  return out;
}

// Bit by bit, from the definition in the PNG specification.
std::uint32_t crc32(std::string_view bytes) {
  std::uint32_t crc = 0xFFFFFFFF;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xEDB88320 : 0);
  }
  return ~crc;
}

struct TiffEntry {
  int tag;
  std::uint32_t value;
};

// A directory of SHORT (small values) and LONG entries; `next` is the offset of the one after it.
std::string directory(const std::vector<TiffEntry>& entries, std::uint32_t next, ByteOrder order) {
  std::string out = u16(static_cast<std::uint32_t>(entries.size()), order);
  for (const TiffEntry& entry : entries) {
    const bool is_short = entry.value < 0x10000 && entry.tag != 273 && entry.tag != 279;
    out += u16(static_cast<std::uint32_t>(entry.tag), order) + u16(is_short ? 3 : 4, order) +
           u32(1, order);
    out += is_short ? u16(entry.value, order) + u16(0, order) : u32(entry.value, order);
  }
  return out + u32(next, order);
}

// Where pixels can begin.
std::uint32_t end_of_directory(const std::vector<TiffEntry>& entries) {
  return static_cast<std::uint32_t>(8 + 2 + 12 * entries.size() + 4);
}

std::string tiff_start(ByteOrder order) {
  return (order == ByteOrder::kLittle ? "II" : "MM") + u16(42, order) + u32(8, order);
}

}  // namespace

std::string u16(std::uint32_t value, ByteOrder order) { return bytes_of(value, 2, order); }
std::string u24_le(std::uint32_t value) { return bytes_of(value, 3, ByteOrder::kLittle); }
std::string u32(std::uint32_t value, ByteOrder order) { return bytes_of(value, 4, order); }

std::string exif_block(int orientation, ByteOrder order) {
  return tiff_start(order) +
         directory({{0x0112, static_cast<std::uint32_t>(orientation)}}, 0, order);
}

std::string jpeg_segment(int marker, std::string_view payload) {
  return std::string("\xFF") + static_cast<char>(marker) +
         u16(static_cast<std::uint32_t>(payload.size() + 2)) + std::string(payload);
}

std::string exif_segment(int orientation, ByteOrder order) {
  return jpeg_segment(0xE1, std::string("Exif\0\0", 6) + exif_block(orientation, order));
}

std::string png_chunk(std::string_view type, std::string_view payload) {
  const std::string covered = std::string(type) + std::string(payload);
  return u32(static_cast<std::uint32_t>(payload.size())) + covered + u32(crc32(covered));
}

std::string riff_chunk(std::string_view type, std::string_view payload) {
  std::string out(type);
  out += u32(static_cast<std::uint32_t>(payload.size()), ByteOrder::kLittle);
  out += payload;
  if (payload.size() % 2 != 0) out += '\0';
  return out;
}

std::string webp_file(std::string_view chunks) {
  return riff_chunk("RIFF", "WEBP" + std::string(chunks));
}

std::string vp8x_chunk(int flags, int width, int height) {
  return riff_chunk("VP8X", u32(static_cast<std::uint32_t>(flags), ByteOrder::kLittle) +
                                u24_le(static_cast<std::uint32_t>(width - 1)) +
                                u24_le(static_cast<std::uint32_t>(height - 1)));
}

std::string jpeg_with(std::string_view jpeg, std::string_view segment) {
  return std::string(jpeg.substr(0, 2)) + std::string(segment) + std::string(jpeg.substr(2));
}

std::string png_with(std::string_view png, std::string_view chunk) {
  constexpr std::size_t kBehindIhdr = 8 + 12 + 13;
  return std::string(png.substr(0, kBehindIhdr)) + std::string(chunk) +
         std::string(png.substr(kBehindIhdr));
}

std::string webp_with_exif(std::string_view webp, std::string_view exif, int width, int height) {
  constexpr int kExifFlag = 0x08;
  return webp_file(vp8x_chunk(kExifFlag, width, height) + std::string(webp.substr(12)) +
                   riff_chunk("EXIF", exif));
}

std::string jpeg_header_image(const HeaderImage& p, int sof, int precision, int components) {
  std::string frame(1, static_cast<char>(precision));
  frame += u16(static_cast<std::uint32_t>(p.height)) + u16(static_cast<std::uint32_t>(p.width));
  frame += static_cast<char>(components);
  for (int i = 1; i <= components; ++i) frame += {static_cast<char>(i), '\x11', '\0'};
  std::string out = "\xFF\xD8" + jpeg_segment(0xE0, std::string("JFIF\0\1\1\0\0\1\0\1\0\0", 14));
  if (p.orientation != 0) out += exif_segment(p.orientation, p.order);
  out += jpeg_segment(sof, frame) + jpeg_segment(0xDA, std::string("\1\1\0\0\x3F\0", 6));
  return out + "entropy-coded" + std::string("\xFF\0 data\xFF\xD9", 9);
}

std::string png_header_image(const HeaderImage& p, int bits, int colour_type) {
  std::string ihdr =
      u32(static_cast<std::uint32_t>(p.width)) + u32(static_cast<std::uint32_t>(p.height));
  ihdr += {static_cast<char>(bits), static_cast<char>(colour_type), '\0', '\0', '\0'};
  std::string out = "\x89PNG\r\n\x1A\n" + png_chunk("IHDR", ihdr);
  if (p.orientation != 0) out += png_chunk("eXIf", exif_block(p.orientation, p.order));
  return out + png_chunk("IDAT", "deflated") + png_chunk("IDAT", "data") + png_chunk("IEND", "");
}

std::string vp8_header_image(const HeaderImage& p) {
  const std::string frame = std::string("\x10\0\0\x9D\x01\x2A", 6) +
                            u16(static_cast<std::uint32_t>(p.width), ByteOrder::kLittle) +
                            u16(static_cast<std::uint32_t>(p.height), ByteOrder::kLittle) + "data!";
  std::string simple = webp_file(riff_chunk("VP8 ", frame));
  if (p.orientation == 0) return simple;
  return webp_with_exif(simple, exif_block(p.orientation, p.order), p.width, p.height);
}

std::string vp8l_header_image(const HeaderImage& p) {
  const auto bits = static_cast<std::uint32_t>((p.width - 1) | (p.height - 1) << 14);
  std::string simple =
      webp_file(riff_chunk("VP8L", "\x2F" + u32(bits, ByteOrder::kLittle) + "data!"));
  if (p.orientation == 0) return simple;
  const std::string exif = std::string("Exif\0\0", 6) + exif_block(p.orientation, p.order);
  return webp_with_exif(simple, exif, p.width, p.height);
}

std::string animated_webp_header_image(const HeaderImage& p, int frames) {
  std::string chunks = vp8x_chunk(0x02, p.width, p.height) + riff_chunk("ANIM", "bgcolo");
  for (int i = 0; i < frames; ++i) chunks += riff_chunk("ANMF", std::string(24, '\0'));
  return webp_file(chunks);
}

std::string gif_header_image(const HeaderImage& p, int images) {
  const std::string size = u16(static_cast<std::uint32_t>(p.width), ByteOrder::kLittle) +
                           u16(static_cast<std::uint32_t>(p.height), ByteOrder::kLittle);
  std::string out = "GIF89a" + size + std::string("\x80\0\0", 3) + "colour";
  out += std::string("\x21\xF9\x04\0\0\0\0\0", 8);
  for (int i = 0; i < images; ++i) {
    out += std::string("\x2C\0\0\0\0", 5) + size + std::string("\x80", 1) + "local_" +
           std::string("\2\4data\3abc\0", 11);
  }
  return out + ";";
}

std::string bmp_header_image(const HeaderImage& p, int bits) {
  constexpr auto kLittle = ByteOrder::kLittle;
  const std::size_t row = (static_cast<std::size_t>(p.width) * bits + 31) / 32 * 4;
  const std::string pixels(row * static_cast<std::size_t>(p.height < 0 ? -p.height : p.height),
                           'x');
  return "BM" + u32(static_cast<std::uint32_t>(54 + pixels.size()), kLittle) + u32(0, kLittle) +
         u32(54, kLittle) + u32(40, kLittle) + u32(static_cast<std::uint32_t>(p.width), kLittle) +
         u32(static_cast<std::uint32_t>(p.height), kLittle) + u16(1, kLittle) +
         u16(static_cast<std::uint32_t>(bits), kLittle) + std::string(24, '\0') + pixels;
}

std::string tiff_header_image(const HeaderImage& p, int bits, int pages) {
  const auto size = static_cast<std::uint32_t>(p.width * p.height * bits / 8);
  std::vector<TiffEntry> entries{{256, static_cast<std::uint32_t>(p.width)},
                                 {257, static_cast<std::uint32_t>(p.height)},
                                 {258, static_cast<std::uint32_t>(bits)},
                                 {259, 1},
                                 {262, 1},
                                 {273, 0},
                                 {279, size}};
  if (p.orientation != 0) entries.push_back({274, static_cast<std::uint32_t>(p.orientation)});
  entries[5].value = end_of_directory(entries);
  const std::uint32_t next = pages > 1 ? 8 : 0;
  return tiff_start(p.order) + directory(entries, next, p.order) + std::string(size, 'x');
}

std::string rgba_tiff(int width, int height, std::string_view rgba, int extra_samples) {
  std::vector<TiffEntry> entries{{256, static_cast<std::uint32_t>(width)},
                                 {257, static_cast<std::uint32_t>(height)},
                                 {258, 8},
                                 {259, 1},
                                 {262, 2},
                                 {273, 0},
                                 {277, 4},
                                 {278, static_cast<std::uint32_t>(height)},
                                 {279, static_cast<std::uint32_t>(rgba.size())},
                                 {338, static_cast<std::uint32_t>(extra_samples)}};
  entries[5].value = end_of_directory(entries);
  return tiff_start(ByteOrder::kLittle) + directory(entries, 0, ByteOrder::kLittle) +
         std::string(rgba);
}

}  // namespace alig::image_test
