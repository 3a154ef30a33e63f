// The first image of a GIF, which OpenCV 4.6 cannot read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

namespace alig {

struct GifFrame {
  int width = 0;  // pixels, of the logical screen
  int height = 0;
  std::vector<std::uint8_t> rgba;  // height * width * 4; alpha 0 outside the image
};

// The caller has checked the size of the logical screen.
tl::expected<GifFrame, std::string> decode_first_gif_frame(std::string_view gif);

}  // namespace alig
