#include <algorithm>

#include <opencv2/imgproc.hpp>
#include <opencv2/objdetect.hpp>

#include "eyes.h"

namespace demo {
namespace {

constexpr const char* kCascades = "/usr/share/opencv4/haarcascades/";
constexpr double kLongestSide = 640;  // the detectors are slow, and made for small images

void add(std::vector<Sighting>& out, const char* kind, const std::vector<cv::Rect>& boxes,
         const std::vector<double>& scores, double scale) {
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    const cv::Rect& box = boxes[i];
    out.push_back({kind, "",
                   cv::Rect2d(box.x / scale, box.y / scale, box.width / scale, box.height / scale),
                   std::clamp(scores[i], 0.0, 0.99)});
  }
}

void find_people(const cv::Mat& grey, double scale, std::vector<Sighting>& out) {
  cv::HOGDescriptor hog;
  hog.setSVMDetector(cv::HOGDescriptor::getDefaultPeopleDetector());
  std::vector<cv::Rect> boxes;
  std::vector<double> weights;
  constexpr double kMinWeight = 0.6;
  hog.detectMultiScale(grey, boxes, weights, kMinWeight, cv::Size(8, 8), cv::Size(16, 16), 1.05);
  // The detector's window has a margin around the person.
  for (cv::Rect& box : boxes) {
    box = cv::Rect(box.x + box.width / 8, box.y + box.height / 16, box.width * 3 / 4,
                   box.height * 7 / 8);
  }
  for (double& weight : weights) weight = 0.4 + weight / 4;
  add(out, "person", boxes, weights, scale);
}

void find_with_cascade(const char* file, const char* kind, const cv::Mat& grey, double scale,
                       std::vector<Sighting>& out) {
  cv::CascadeClassifier cascade(std::string(kCascades) + file);
  std::vector<cv::Rect> boxes;
  constexpr int kNeighbours = 6;
  if (!cascade.empty())
    cascade.detectMultiScale(grey, boxes, 1.1, kNeighbours, 0, cv::Size(24, 24));
  add(out, kind, boxes, std::vector<double>(boxes.size(), 0.7), scale);
}

}  // namespace

std::vector<Sighting> see_photo(const cv::Mat& bgr) {
  const double scale = std::min(1.0, kLongestSide / std::max(bgr.cols, bgr.rows));
  cv::Mat grey;
  cv::cvtColor(bgr, grey, cv::COLOR_BGR2GRAY);
  cv::resize(grey, grey, cv::Size(), scale, scale, cv::INTER_AREA);
  std::vector<Sighting> out;
  const bool fits_window = grey.cols >= 64 && grey.rows >= 128;
  if (fits_window) find_people(grey, scale, out);
  find_with_cascade("haarcascade_frontalface_default.xml", "face", grey, scale, out);
  find_with_cascade("haarcascade_frontalcatface.xml", "cat", grey, scale, out);
  return out;
}

}  // namespace demo
