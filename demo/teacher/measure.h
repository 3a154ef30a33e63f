// Where exactly a shape's edges are: to fractions of a pixel in images that were downscaled,
// where an edge pixel is a mixture of shape and background.
#pragma once

#include <string>

#include <opencv2/core.hpp>

namespace demo {

// How much of each pixel of `patch` the shape covers, 0 to 1 (CV_32F).
cv::Mat coverage_of(const cv::Mat& patch, const cv::Vec3b& background, const cv::Vec3b& colour);

// `coverage` holds one shape with some background around it, `kind` as in Sighting. In pixels from
// its upper left corner.
cv::Rect2d measure_box(const cv::Mat& coverage, const std::string& kind);

}  // namespace demo
