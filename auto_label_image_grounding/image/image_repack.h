// Rewrites the bytes of an image, without decoding, into what every decoder reads the same way.
#pragma once

#include <string>
#include <string_view>

#include <tl/expected.hpp>

namespace alig {

// Only the chunks that make the pixels: IHDR, PLTE, tRNS, IDAT, IEND. Without the rest a decoder
// neither turns the image by itself nor prints warnings about colour profiles. An error where a
// checksum is wrong.
tl::expected<std::string, std::string> keep_png_pixels(std::string_view png);

// Sets the orientation tag of the first directory to 1: OpenCV obeys it whatever the flags say.
std::string without_tiff_orientation(std::string tiff);

// Whether libtiff hands out the colours of 8-bit pixels multiplied by alpha: it does so where the
// file declares the fourth sample as alpha of either kind, and not where it leaves it unspecified.
bool tiff_has_declared_alpha(std::string_view tiff);

// The first frame of an animation as a WebP file of its own, and where it lies on the canvas.
struct WebpFrame {
  std::string webp;
  int x = 0;  // pixels
  int y = 0;
};
tl::expected<WebpFrame, std::string> first_webp_frame(std::string_view animated);

}  // namespace alig
