#include "auto_label_image_grounding/data/bounding_box.h"

#include <algorithm>

namespace alig {

double intersection_over_union(const std::array<double, 4>& a, const std::array<double, 4>& b) {
  const auto area = [](double w, double h) { return std::max(w, 0.0) * std::max(h, 0.0); };
  const double shared = area(std::min(a[2], b[2]) - std::max(a[0], b[0]),
                             std::min(a[3], b[3]) - std::max(a[1], b[1]));
  const double both = area(a[2] - a[0], a[3] - a[1]) + area(b[2] - b[0], b[3] - b[1]) - shared;
  return both > 0 ? shared / both : 0;
}

double intersection_over_union(const BoundingBox& a, const BoundingBox& b) {
  const auto sides = [](const BoundingBox& box) {
    return std::array<double, 4>{static_cast<double>(box.x1), static_cast<double>(box.y1),
                                 static_cast<double>(box.x2), static_cast<double>(box.y2)};
  };
  return intersection_over_union(sides(a), sides(b));
}

}  // namespace alig
