// Rewrites the bytes of an image, without decoding, so that every decoder reads them the same way.
#pragma once

#include <string>
#include <string_view>

#include <tl/expected.hpp>

namespace alig {

// Keeps only the chunks that define the pixels: IHDR, PLTE, tRNS, IDAT, IEND. Without the rest a
// decoder neither rotates the image itself nor prints warnings about colour profiles. An error if a
// checksum is wrong.
tl::expected<std::string, std::string> keep_png_pixels(std::string_view png);

// Sets the orientation tag of the first directory to 1: OpenCV applies it regardless of its flags.
std::string without_tiff_orientation(std::string tiff);

// Whether libtiff returns the colours of 8-bit pixels multiplied by alpha: it does if the file
// declares the fourth sample as alpha of either kind, but not if it is unspecified.
bool tiff_has_declared_alpha(std::string_view tiff);

// The first frame of an animation as a separate WebP file, and its position on the canvas.
struct WebpFrame {
  std::string webp;
  int x = 0;  // pixels
  int y = 0;
};
tl::expected<WebpFrame, std::string> first_webp_frame(std::string_view animated);

}  // namespace alig
