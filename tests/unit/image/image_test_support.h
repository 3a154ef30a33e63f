// Images assembled byte by byte, and pieces to insert into encoded ones.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/support/shared_data.h"
#include "tests/unit/support/temporary_folder.h"

namespace alig::image_test {

enum class ByteOrder { kLittle, kBig };
std::string u16(std::uint32_t value, ByteOrder order = ByteOrder::kBig);
std::string u24_le(std::uint32_t value);
std::string u32(std::uint32_t value, ByteOrder order = ByteOrder::kBig);

// A TIFF structure whose only entry is the orientation: what follows "Exif\0\0".
std::string exif_block(int orientation, ByteOrder order = ByteOrder::kLittle);

std::string jpeg_segment(int marker, std::string_view payload);
std::string exif_segment(int orientation, ByteOrder order = ByteOrder::kLittle);
std::string png_chunk(std::string_view type, std::string_view payload);  // with its checksum
std::string riff_chunk(std::string_view type, std::string_view payload);
std::string webp_file(std::string_view chunks);  // the RIFF around them
std::string vp8x_chunk(int flags, int width, int height);

// Put into an encoded image.
std::string jpeg_with(std::string_view jpeg, std::string_view segment);  // after SOI
std::string png_with(std::string_view png, std::string_view chunk);      // after IHDR
// Turns a simple WebP file into an extended one that ends with an EXIF chunk.
std::string webp_with_exif(std::string_view webp, std::string_view exif, int width, int height);

// Complete by structure; the image data is noise to a decoder.
struct HeaderImage {
  int width = 40;
  int height = 30;
  int orientation = 0;  // 0: no tag
  ByteOrder order = ByteOrder::kLittle;
};
std::string jpeg_header_image(const HeaderImage& p, int sof = 0xC0, int precision = 8,
                              int components = 3);
std::string png_header_image(const HeaderImage& p, int bits = 8, int colour_type = 2);
std::string vp8_header_image(const HeaderImage& p);
std::string vp8l_header_image(const HeaderImage& p);
std::string animated_webp_header_image(const HeaderImage& p, int frames);
std::string gif_header_image(const HeaderImage& p, int images);
std::string bmp_header_image(const HeaderImage& p, int bits = 24);
std::string tiff_header_image(const HeaderImage& p, int bits = 8, int pages = 1);
// Decodable: 8-bit RGBA rows; `extra_samples` 1 = alpha multiplied in, 2 = not, 0 = unspecified.
std::string rgba_tiff(int width, int height, std::string_view rgba, int extra_samples);

}  // namespace alig::image_test
