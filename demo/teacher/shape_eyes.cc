#include <algorithm>
#include <array>
#include <cmath>

#include <opencv2/imgproc.hpp>

#include "eyes.h"
#include "measure.h"

namespace demo {
namespace {

struct NamedColour {
  const char* name;
  cv::Vec3b bgr;
};

constexpr int kMinDistance = 48;  // of a shape's pixels from the background, summed over channels

const std::array<NamedColour, 10> kColours = {{{"red", {40, 40, 220}},
                                               {"green", {60, 160, 40}},
                                               {"blue", {220, 80, 40}},
                                               {"yellow", {40, 215, 240}},
                                               {"orange", {30, 140, 245}},
                                               {"purple", {170, 50, 130}},
                                               {"pink", {190, 130, 245}},
                                               {"cyan", {220, 200, 40}},
                                               {"black", {25, 25, 25}},
                                               {"brown", {40, 75, 130}}}};

cv::Vec3f to_lab(const cv::Vec3b& bgr) {
  cv::Mat pixel(1, 1, CV_8UC3, cv::Scalar(bgr[0], bgr[1], bgr[2]));
  pixel.convertTo(pixel, CV_32F, 1.0 / 255);
  cv::cvtColor(pixel, pixel, cv::COLOR_BGR2Lab);
  return pixel.at<cv::Vec3f>(0, 0);
}

std::string name_of_colour(const cv::Vec3b& bgr) {
  const cv::Vec3f lab = to_lab(bgr);
  const auto nearest = std::min_element(
      kColours.begin(), kColours.end(), [&](const NamedColour& a, const NamedColour& b) {
        return cv::norm(to_lab(a.bgr) - lab) < cv::norm(to_lab(b.bgr) - lab);
      });
  return nearest->name;
}

uchar median(std::vector<uchar> values) {
  auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

cv::Vec3b median_colour(const std::vector<cv::Vec3b>& pixels) {
  cv::Vec3b out;
  for (int channel = 0; channel < 3; ++channel) {
    std::vector<uchar> values;
    values.reserve(pixels.size());
    for (const cv::Vec3b& pixel : pixels) values.push_back(pixel[channel]);
    out[channel] = median(std::move(values));
  }
  return out;
}

cv::Vec3b border_colour(const cv::Mat& bgr) {
  std::vector<cv::Vec3b> pixels;
  for (int x = 0; x < bgr.cols; ++x) {
    pixels.push_back(bgr.at<cv::Vec3b>(0, x));
    pixels.push_back(bgr.at<cv::Vec3b>(bgr.rows - 1, x));
  }
  for (int y = 0; y < bgr.rows; ++y) {
    pixels.push_back(bgr.at<cv::Vec3b>(y, 0));
    pixels.push_back(bgr.at<cv::Vec3b>(y, bgr.cols - 1));
  }
  return median_colour(pixels);
}

cv::Mat foreground(const cv::Mat& bgr, const cv::Vec3b& background) {
  cv::Mat difference;
  cv::absdiff(bgr, cv::Scalar(background[0], background[1], background[2]), difference);
  cv::Mat sum;
  cv::transform(difference, sum, cv::Matx13f(1, 1, 1));
  return sum > kMinDistance;
}

// What the pixels of a contour and of its inside cover: its own area runs through their centres.
double pixel_area(const std::vector<cv::Point>& contour) {
  return cv::contourArea(contour) + cv::arcLength(contour, true) / 2 + 1;
}

// By how much of its hull, its box and its enclosing circle the shape fills.
std::string name_of_shape(const cv::Mat& coverage) {
  std::vector<std::vector<cv::Point>> contours;
  cv::findContours(coverage > 0.5, contours, cv::RETR_EXTERNAL, cv::CHAIN_APPROX_NONE);
  if (contours.empty()) return "speck";
  const auto& contour =
      *std::max_element(contours.begin(), contours.end(),
                        [](const auto& a, const auto& b) { return pixel_area(a) < pixel_area(b); });
  const cv::Rect box = cv::boundingRect(contour);
  const double area = pixel_area(contour);
  std::vector<cv::Point> hull;
  cv::convexHull(contour, hull);
  constexpr double kConvex = 0.85;
  if (area < kConvex * pixel_area(hull)) return "star";
  constexpr double kBoxLike = 0.9, kDiscLike = 0.85;
  if (area > kBoxLike * box.area()) {
    const double aspect = static_cast<double>(box.width) / box.height;
    return aspect > 0.8 && aspect < 1.25 ? "square" : "rectangle";
  }
  cv::Point2f centre;
  float radius = 0;
  cv::minEnclosingCircle(contour, centre, radius);
  constexpr float kHalfPixel = 0.5F;
  radius += kHalfPixel;
  if (area > kDiscLike * CV_PI * radius * radius) return "circle";
  return "triangle";
}

// A sample of them: a hundred lines and columns at most.
std::vector<cv::Vec3b> pixels_inside(const cv::Mat& bgr, const std::vector<cv::Point>& contour,
                                     const cv::Rect& box) {
  std::vector<cv::Vec3b> inside;
  for (int y = box.y; y < box.y + box.height; y += 1 + box.height / 100) {
    for (int x = box.x; x < box.x + box.width; x += 1 + box.width / 100) {
      const cv::Point2f at(static_cast<float>(x), static_cast<float>(y));
      if (cv::pointPolygonTest(contour, at, false) > 0) inside.push_back(bgr.at<cv::Vec3b>(y, x));
    }
  }
  return inside;
}

// The median of the half that differs most from the background: edge pixels are mixtures, and a
// very small shape hardly has others.
cv::Vec3b pure_colour(std::vector<cv::Vec3b> pixels, const cv::Vec3b& background) {
  const auto middle = pixels.begin() + static_cast<std::ptrdiff_t>((pixels.size() + 1) / 2);
  std::nth_element(
      pixels.begin(), middle - 1, pixels.end(), [&](const cv::Vec3b& a, const cv::Vec3b& b) {
        return cv::norm(a, background, cv::NORM_L1) > cv::norm(b, background, cv::NORM_L1);
      });
  pixels.erase(middle, pixels.end());
  return median_colour(pixels);
}

}  // namespace

bool is_plain_scene(const cv::Mat& bgr) {
  constexpr double kMaxForeground = 0.65;
  cv::Mat small;
  const double scale = std::min(1.0, 400.0 / std::max(bgr.cols, bgr.rows));
  cv::resize(bgr, small, cv::Size(), scale, scale, cv::INTER_NEAREST);
  const cv::Mat mask = foreground(small, border_colour(small));
  std::vector<std::vector<cv::Point>> contours;
  cv::findContours(mask, contours, cv::RETR_EXTERNAL, cv::CHAIN_APPROX_NONE);
  constexpr std::size_t kMaxShapes = 60;
  return cv::countNonZero(mask) < kMaxForeground * static_cast<double>(mask.total()) &&
         contours.size() < kMaxShapes;
}

std::vector<Sighting> see_shapes(const cv::Mat& bgr) {
  const cv::Vec3b background = border_colour(bgr);
  std::vector<std::vector<cv::Point>> contours;
  cv::findContours(foreground(bgr, background), contours, cv::RETR_EXTERNAL, cv::CHAIN_APPROX_NONE);
  std::vector<Sighting> out;
  // Specks are noise of the compression.
  const double least = std::max(16.0, 0.0001 * static_cast<double>(bgr.total()));
  for (const auto& contour : contours) {
    if (pixel_area(contour) < least) continue;
    const cv::Rect box = cv::boundingRect(contour);
    const auto inside = pixels_inside(bgr, contour, box);
    if (inside.empty()) continue;
    const cv::Vec3b colour = pure_colour(inside, background);
    constexpr int kMargin = 2;
    const cv::Rect around = cv::Rect(box.x - kMargin, box.y - kMargin, box.width + 2 * kMargin,
                                     box.height + 2 * kMargin) &
                            cv::Rect(cv::Point(), bgr.size());
    const cv::Mat coverage = coverage_of(bgr(around), background, colour);
    const std::string kind = name_of_shape(coverage);
    const cv::Rect2d measured = measure_box(coverage, kind) + cv::Point2d(around.tl());
    out.push_back({kind, name_of_colour(colour), measured, 0.97});
  }
  return out;
}

}  // namespace demo
