#include "eyes.h"

namespace demo {

std::vector<Sighting> see(const cv::Mat& bgr, EyeKind kind) {
  const bool shapes = kind == EyeKind::kShapes || (kind == EyeKind::kAuto && is_plain_scene(bgr));
  return shapes ? see_shapes(bgr) : see_photo(bgr);
}

}  // namespace demo
