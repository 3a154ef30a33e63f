#include "measure.h"

#include <algorithm>
#include <cmath>

#include <opencv2/imgproc.hpp>

namespace demo {
namespace {

// Brightness is what compression keeps sharp; where shape and background are equally bright, the
// whole colour has to do.
cv::Vec3f weights(const cv::Vec3f& contrast) {
  const cv::Vec3f luma(0.114F, 0.587F, 0.299F);
  constexpr float kEnough = 20;
  return std::abs(luma.dot(contrast)) >= kEnough ? luma : contrast;
}

}  // namespace

cv::Mat coverage_of(const cv::Mat& patch, const cv::Vec3b& background, const cv::Vec3b& colour) {
  const cv::Vec3f from(background), contrast = cv::Vec3f(colour) - from;
  const cv::Vec3f direction = weights(contrast) / weights(contrast).dot(contrast);
  cv::Mat coverage;
  patch.convertTo(coverage, CV_32F);
  cv::transform(coverage, coverage,
                cv::Matx14f(direction[0], direction[1], direction[2], -direction.dot(from)));
  // What is left of the compression's noise far from the edges would add up in areas.
  constexpr float kNoise = 0.06F;
  coverage.forEach<float>([](float& value, const int*) {
    value = value < kNoise ? 0 : value > 1 - kNoise ? 1 : value;
  });
  return coverage;
}

namespace {

// Downscaled edges have mixed pixels all along; those of an original hardly any.
bool is_soft(const cv::Mat& coverage) {
  constexpr double kLow = 0.2, kHigh = 0.8, kSoftShare = 0.25;
  cv::Mat mixed;
  cv::inRange(coverage, kLow, kHigh, mixed);
  const cv::Rect box = cv::boundingRect(coverage > 0.5);
  return cv::countNonZero(mixed) > kSoftShare * (box.width + box.height);
}

constexpr double kLevelBand = 0.5, kBaseBand = 0.15, kRoundBand = 0.1;

struct Moments {
  double area, x, y;  // centroid in pixels from the patch's upper left corner
};

Moments moments_of(const cv::Mat& coverage) {
  const cv::Moments m = cv::moments(coverage);
  // Pixel (0, 0) spreads from 0 to 1: its centre is at 0.5.
  return {m.m00, m.m10 / m.m00 + 0.5, m.m01 / m.m00 + 0.5};
}

// The upper end of something that is level there, or round: of the columns in its middle, a `band`
// of the width, full rows count whole and the rows on the edge for the share that is covered.
double upper_end(const cv::Mat& coverage, double band) {
  const int middle = coverage.cols / 2;
  const int reach = static_cast<int>(band * coverage.cols / 2);
  cv::Mat rows;
  cv::reduce(coverage.colRange(middle - reach, middle + reach + 1), rows, 1, cv::REDUCE_AVG);
  constexpr float kFull = 0.9F;
  int full = 0;
  double partial = 0;
  for (; full < rows.rows - 1 && rows.at<float>(full) < kFull; ++full) {
    partial += rows.at<float>(full);
  }
  return full - partial;
}

cv::Rect2d box_by_ends(const cv::Mat& coverage, double band) {
  cv::Mat upside_down, mirrored;
  cv::flip(coverage, upside_down, 0);
  cv::flip(coverage, mirrored, 1);
  const double x = upper_end(coverage.t(), band), y = upper_end(coverage, band);
  const double right = coverage.cols - upper_end(mirrored.t(), band);
  const double bottom = coverage.rows - upper_end(upside_down, band);
  return {x, y, right - x, bottom - y};
}

// The outermost row of a drawn circle is short, and partly lost between the columns.
cv::Rect2d circle(const cv::Mat& coverage) {
  constexpr double kLost = 0.25;
  const cv::Rect2d box = box_by_ends(coverage, kRoundBand);
  return {box.x - kLost, box.y - kLost, box.width + 2 * kLost, box.height + 2 * kLost};
}

// Points are too fine to be seen; what they belong to is known by its area and centroid. Five
// points, one of them up; the inner corners lie at 0.45 of the radius. Filled polygons hold their
// boundary's pixels, which weigh more in the area than at the points.
cv::Rect2d star(const Moments& m) {
  constexpr double kBoundary = 0.2;
  const double radius = std::sqrt(m.area / (5 * 0.45 * std::sin(CV_PI / 5))) - kBoundary;
  const double side = radius * std::sin(2 * CV_PI / 5), low = radius * std::cos(CV_PI / 5);
  return {m.x - side, m.y - radius, 2 * side, radius + low};
}

// Two equal sides on a level base, which is below or above: the centroid is a third of the height
// from it.
cv::Rect2d triangle(const cv::Mat& coverage, const Moments& m) {
  const cv::Rect2d ends = box_by_ends(coverage, kBaseBand);
  const bool base_below = m.y > ends.y + ends.height / 2;
  const double base = base_below ? ends.y + ends.height : ends.y;
  const double height = 3 * std::abs(m.y - base), width = 2 * m.area / height;
  return {m.x - width / 2, base_below ? base - height : base, width, height};
}

}  // namespace

cv::Rect2d measure_box(const cv::Mat& coverage, const std::string& kind) {
  if (!is_soft(coverage)) return cv::boundingRect(coverage > 0.5);
  if (kind == "circle") return circle(coverage);
  if (kind == "star") return star(moments_of(coverage));
  if (kind == "triangle") return triangle(coverage, moments_of(coverage));
  return box_by_ends(coverage, kLevelBand);
}

}  // namespace demo
