#include <algorithm>
#include <array>
#include <cmath>

#include <opencv2/imgproc.hpp>

#include "eyes.h"

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

cv::Mat foreground(const cv::Mat& bgr) {
  cv::Mat difference;
  const cv::Vec3b background = border_colour(bgr);
  cv::absdiff(bgr, cv::Scalar(background[0], background[1], background[2]), difference);
  cv::Mat sum;
  cv::transform(difference, sum, cv::Matx13f(1, 1, 1));
  return sum > kMinDistance;
}

// By how much of its hull, its box and its enclosing circle a contour fills.
std::string name_of_shape(const std::vector<cv::Point>& contour, const cv::Rect& box) {
  const double area = std::max(cv::contourArea(contour), 1.0);
  std::vector<cv::Point> hull;
  cv::convexHull(contour, hull);
  constexpr double kConvex = 0.85;
  if (area < kConvex * cv::contourArea(hull)) return "star";
  constexpr double kBoxLike = 0.9, kDiscLike = 0.88;
  if (area > kBoxLike * box.area()) {
    const double aspect = static_cast<double>(box.width) / box.height;
    return aspect > 0.9 && aspect < 1.1 ? "square" : "rectangle";
  }
  cv::Point2f centre;
  float radius = 0;
  cv::minEnclosingCircle(contour, centre, radius);
  if (area > kDiscLike * CV_PI * radius * radius) return "circle";
  return "triangle";
}

}  // namespace

bool is_plain_scene(const cv::Mat& bgr) {
  constexpr double kMostForeground = 0.65;
  cv::Mat small;
  const double scale = std::min(1.0, 400.0 / std::max(bgr.cols, bgr.rows));
  cv::resize(bgr, small, cv::Size(), scale, scale, cv::INTER_NEAREST);
  const cv::Mat mask = foreground(small);
  std::vector<std::vector<cv::Point>> contours;
  cv::findContours(mask, contours, cv::RETR_EXTERNAL, cv::CHAIN_APPROX_NONE);
  constexpr std::size_t kMostShapes = 60;
  return cv::countNonZero(mask) < kMostForeground * static_cast<double>(mask.total()) &&
         contours.size() < kMostShapes;
}

std::vector<Sighting> see_shapes(const cv::Mat& bgr) {
  const cv::Mat mask = foreground(bgr);
  std::vector<std::vector<cv::Point>> contours;
  cv::findContours(mask, contours, cv::RETR_EXTERNAL, cv::CHAIN_APPROX_NONE);
  std::vector<Sighting> out;
  // Specks are noise of the compression.
  const double least = std::max(30.0, 0.0001 * static_cast<double>(bgr.total()));
  for (const auto& contour : contours) {
    if (cv::contourArea(contour) < least) continue;
    const cv::Rect box = cv::boundingRect(contour);
    std::vector<cv::Vec3b> inside;
    for (int y = box.y; y < box.y + box.height; y += 1 + box.height / 100) {
      for (int x = box.x; x < box.x + box.width; x += 1 + box.width / 100) {
        if (cv::pointPolygonTest(contour, cv::Point2f(static_cast<float>(x), static_cast<float>(y)),
                                 false) > 0) {
          inside.push_back(bgr.at<cv::Vec3b>(y, x));
        }
      }
    }
    if (inside.empty()) continue;
    out.push_back({name_of_shape(contour, box), name_of_colour(median_colour(inside)), box, 0.97});
  }
  return out;
}

}  // namespace demo
