#include "image.h"

#include <iterator>
#include <stdexcept>
#include <string_view>
#include <vector>

#include <opencv2/imgcodecs.hpp>

#include "auto_label_image_grounding/base/files.h"

namespace demo {
namespace {

constexpr int kQuality = 95;

// An APP1 segment whose only field is Orientation (0x0112) = 6: row 0 of the file is the right-hand
// side of the image. Big-endian TIFF; layout by the EXIF 2.3 and TIFF 6.0 specifications.
constexpr unsigned char kOrientationSixSegment[] = {
    0xFF, 0xE1, 0x00, 0x22,                          // APP1, 34 bytes with the length itself
    'E',  'x',  'i',  'f',  0x00, 0x00,              // identifier
    'M',  'M',  0x00, 0x2A, 0x00, 0x00, 0x00, 0x08,  // TIFF header; first directory at 8
    0x00, 0x01,                                      // one entry
    0x01, 0x12, 0x00, 0x03, 0x00, 0x00, 0x00, 0x01,  // Orientation, SHORT, one value
    0x00, 0x06, 0x00, 0x00,                          // 6, padded
    0x00, 0x00, 0x00, 0x00};                         // no further directory

std::vector<unsigned char> encode(const cv::Mat& image, Format format) {
  std::vector<int> parameters;
  if (format == Format::kWebp) parameters = {cv::IMWRITE_WEBP_QUALITY, kQuality};
  if (format == Format::kJpeg || format == Format::kRotatedJpeg) {
    parameters = {cv::IMWRITE_JPEG_QUALITY, kQuality, cv::IMWRITE_JPEG_OPTIMIZE, 1};
  }
  std::vector<unsigned char> bytes;
  if (!cv::imencode(extension(format), image, bytes, parameters)) {
    throw std::runtime_error(std::string("OpenCV cannot write ") + extension(format));
  }
  return bytes;
}

}  // namespace

const char* extension(Format format) {
  switch (format) {
    case Format::kPng:
      return ".png";
    case Format::kWebp:
      return ".webp";
    case Format::kJpeg:
    case Format::kRotatedJpeg:
      break;
  }
  return ".jpg";
}

void write_image(const std::filesystem::path& path, const cv::Mat& upright, Format format) {
  cv::Mat stored = upright;
  if (format == Format::kRotatedJpeg) cv::rotate(upright, stored, cv::ROTATE_90_COUNTERCLOCKWISE);
  std::vector<unsigned char> bytes = encode(stored, format);
  if (format == Format::kRotatedJpeg) {
    constexpr int kStartMarker = 2;
    bytes.insert(bytes.begin() + kStartMarker, std::begin(kOrientationSixSegment),
                 std::end(kOrientationSixSegment));
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto written = alig::write_file_atomically(path, text);
  if (!written) throw std::runtime_error(written.error().message);
}

}  // namespace demo
