// Image files of the demo scenes.
#pragma once

#include <filesystem>

#include <opencv2/core.hpp>

namespace demo {

enum class Format { kPng, kWebp, kJpeg, kRotatedJpeg };

const char* extension(Format format);  // with the dot

// Writes `upright` (BGR). kRotatedJpeg stores the pixels a quarter turn counter-clockwise and says
// so with EXIF orientation 6, as a phone held upright does. Throws std::runtime_error.
void write_image(const std::filesystem::path& path, const cv::Mat& upright, Format format);

}  // namespace demo
