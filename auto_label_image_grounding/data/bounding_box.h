#pragma once

#include <array>

namespace alig {

// Pixels of the upright image, xyxy, 0 <= x1 < x2 <= width, 0 <= y1 < y2 <= height.
struct BoundingBox {
  int x1 = 0, y1 = 0, x2 = 0, y2 = 0;
  bool operator==(const BoundingBox&) const = default;
};

// Of boxes x1, y1, x2, y2; in [0,1], 0 if neither has an area.
double intersection_over_union(const std::array<double, 4>& a, const std::array<double, 4>& b);
double intersection_over_union(const BoundingBox& a, const BoundingBox& b);

}  // namespace alig
