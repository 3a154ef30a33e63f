// Internal to image/: decodes with OpenCV.
#pragma once

#include <string>
#include <utility>

#include <opencv2/core.hpp>
#include <tl/expected.hpp>

#include "auto_label_image_grounding/image/image_info.h"
#include "auto_label_image_grounding/image/image_size.h"

namespace alig {

// Reason why an image cannot be used, without its path.
template <typename T>
using Try = tl::expected<T, std::string>;

inline tl::unexpected<std::string> because(std::string reason) {
  return tl::unexpected<std::string>(std::move(reason));
}

// The largest of 8, 4, 2, 1 by which the JPEG decoder may shrink the image on its way: exact
// divisors only, or the pixel grid would shift against the full image's; and twice the target's
// size is left, or the second, small step would blur.
int shrink_on_load(const ImageInfo& info, ImageSize target);

// The pixels as stored, before any rotation: 8 bits, and 1, 3 (BGR) or 4 (BGRA) channels. `shrink`
// is shrink_on_load()'s. May throw cv::Exception.
Try<cv::Mat> decode(std::string bytes, const ImageInfo& info, int shrink);

}  // namespace alig
