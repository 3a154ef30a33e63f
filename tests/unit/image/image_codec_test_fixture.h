// Test images and the fixture of the codec's tests.
#pragma once

#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "auto_label_image_grounding/image/image_codec.h"
#include "image_test_support.h"

namespace alig::image_test {

inline const std::set<ImageFormat> kWebFormats{ImageFormat::kJpeg, ImageFormat::kPng,
                                               ImageFormat::kWebp};

inline std::string encoded(const cv::Mat& image, const char* extension,
                           const std::vector<int>& parameters = {}) {
  std::vector<unsigned char> out;
  EXPECT_TRUE(cv::imencode(extension, image, out, parameters)) << extension;
  return {out.begin(), out.end()};
}

// Neither its rows nor its columns nor its diagonals are symmetric.
inline cv::Mat asymmetric_image(int width = 64, int height = 48) {
  cv::Mat out(height, width, CV_8UC3, cv::Scalar(200, 200, 200));
  const cv::Size quarter(width / 4, height / 4);
  cv::rectangle(out, {{0, 0}, quarter}, {20, 20, 220}, cv::FILLED);
  cv::rectangle(out, {{width / 2, 0}, quarter * 2}, {20, 200, 20}, cv::FILLED);
  cv::rectangle(out, {{0, height / 2}, quarter}, {220, 20, 20}, cv::FILLED);
  return out;
}

inline cv::Mat smooth_image(int width, int height) {
  cv::Mat noise(height / 16 + 2, width / 16 + 2, CV_8UC3);
  cv::theRNG().state = 7;
  cv::randu(noise, 0, 256);
  cv::Mat out;
  cv::resize(noise, out, {width, height}, 0, 0, cv::INTER_CUBIC);
  return out;
}

inline cv::Mat noise_image(int width, int height) {
  cv::Mat out(height, width, CV_8UC3);
  cv::theRNG().state = 11;
  cv::randu(out, 0, 256);
  return out;
}

inline double mean_difference(const cv::Mat& a, const cv::Mat& b) {
  if (a.size() != b.size() || a.type() != b.type()) return 1e9;
  cv::Mat difference;
  cv::absdiff(a, b, difference);
  return cv::mean(difference.reshape(1))[0];
}

struct Outcome {
  ImageInfo info;  // of the file
  PreparedImage sent;
  ImageInfo sent_info;
  cv::Mat pixels;  // as seen by a reader that ignores EXIF
};

class ImageCodecTest : public ::testing::Test {
 protected:
  Result<PreparedImage> prepare(const std::string& bytes, const ImagePreparation& preparation) {
    const auto path = folder_.write("image.bin", bytes);
    const auto info = read_image_info(path);
    if (!info) return tl::unexpected(info.error());
    return prepare_image(path, *info, preparation);
  }

  // For images that must be changed.
  Outcome change(const std::string& bytes, const ImagePreparation& preparation) {
    Outcome out;
    const auto sent = prepare(bytes, preparation);
    if (!sent || sent->bytes == nullptr) {
      ADD_FAILURE() << (sent ? "the original was kept" : sent.error().message);
      return out;
    }
    out.sent = *sent;
    out.info = *read_image_info_from_bytes(bytes);
    const auto info = read_image_info_from_bytes(*sent->bytes);
    EXPECT_TRUE(info) << info.error().message;
    if (info) out.sent_info = *info;
    EXPECT_FALSE(sent->original);
    EXPECT_EQ(out.sent_info.format, sent->format);
    EXPECT_EQ(out.sent_info.orientation, 1);
    EXPECT_TRUE(out.sent_info.plain);
    EXPECT_EQ((ImageSize{out.sent_info.width, out.sent_info.height}), sent->size);
    const std::vector<unsigned char> raw(sent->bytes->begin(), sent->bytes->end());
    out.pixels = cv::imdecode(raw, cv::IMREAD_UNCHANGED);
    return out;
  }

  TemporaryFolder folder_;
};

}  // namespace alig::image_test
