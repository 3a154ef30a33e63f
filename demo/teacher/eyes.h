// What the demo teacher sees in an image. It knows no ground truth: everything here is found in
// the pixels that it was sent.
#pragma once

#include <string>
#include <vector>

#include <opencv2/core.hpp>

namespace demo {

struct Sighting {
  std::string kind;  // "circle", "square", "rectangle", "triangle", "star"; "person", "face", "cat"
  std::string colour;  // of a shape; "" for photographs
  cv::Rect2d box;      // pixels of the image as sent
  double score = 0;    // in [0,1]
};

enum class EyeKind { kAuto, kShapes, kPhotos };

// Solid shapes on a plain background, by colour and contour.
std::vector<Sighting> see_shapes(const cv::Mat& bgr);
// Whether the image is such a scene: most of it has the colour of its border.
bool is_plain_scene(const cv::Mat& bgr);

// People by OpenCV's HOG detector, frontal faces and cat faces by the Haar cascades of the package
// opencv-data. Finds about a fifth of the people on ordinary photographs. Any thread.
std::vector<Sighting> see_photo(const cv::Mat& bgr);

std::vector<Sighting> see(const cv::Mat& bgr, EyeKind kind);

}  // namespace demo
