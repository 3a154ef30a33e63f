#include <random>
#include <vector>

#include <gmock/gmock.h>

#include "image_codec_test_fixture.h"

namespace alig {
namespace {

using namespace alig::image_test;
using ::testing::AllOf;
using ::testing::HasSubstr;
using enum ImageFormat;

class ImageCodecFormats : public ImageCodecTest {};

// ---- formats ----

TEST_F(ImageCodecFormats, StoresLossySourcesAsJpegAndOthersAsPng) {
  const cv::Mat image = asymmetric_image();
  struct Row {
    const char* name;
    std::string bytes;
    std::set<ImageFormat> accepted;
    ImageFormat expected;
    double tolerance;
  };
  const Row rows[] = {
      {"bmp", encoded(image, ".bmp"), kWebFormats, kPng, 0},
      {"tiff", encoded(image, ".tiff"), kWebFormats, kPng, 0},
      {"bmp for jpeg", encoded(image, ".bmp"), {kJpeg}, kJpeg, 4},
      {"bmp for webp", encoded(image, ".bmp"), {kWebp}, kWebp, 4},
      {"png for jpeg", encoded(image, ".png"), {kJpeg}, kJpeg, 4},
      {"lossy webp",
       encoded(image, ".webp", {cv::IMWRITE_WEBP_QUALITY, 98}),
       {kJpeg, kPng},
       kJpeg,
       6},
      {"lossless webp",
       encoded(image, ".webp", {cv::IMWRITE_WEBP_QUALITY, 101}),
       {kJpeg, kPng},
       kPng,
       0},
      {"jpeg for png", encoded(image, ".jpg", {cv::IMWRITE_JPEG_QUALITY, 98}), {kPng}, kPng, 4},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const Outcome outcome = change(row.bytes, {{}, row.accepted, 0});
    EXPECT_EQ(outcome.sent.format, row.expected);
    EXPECT_LE(mean_difference(outcome.pixels, image), row.tolerance);
  }
}

TEST_F(ImageCodecFormats, StoresALargeLosslessImageAsJpeg) {
  const std::string bmp = encoded(smooth_image(2400, 1800), ".bmp");
  EXPECT_EQ(change(bmp, {{}, kWebFormats, 0}).sent.format, kJpeg);
}

TEST_F(ImageCodecFormats, FailsWhereTheEndpointTakesNothingThatCanBeWritten) {
  const auto sent = prepare(encoded(asymmetric_image(), ".bmp"), {{}, {kGif}, 0});
  ASSERT_FALSE(sent);
  EXPECT_THAT(sent.error().message, HasSubstr("a format that the endpoint takes"));
}

TEST_F(ImageCodecFormats, ScalesSixteenBitsToEight) {
  cv::Mat deep(16, 16, CV_16UC1);
  for (int i = 0; i < 256; ++i) {
    deep.at<std::uint16_t>(i / 16, i % 16) = static_cast<std::uint16_t>(257 * i);
  }
  for (const char* extension : {".png", ".tiff"}) {
    const Outcome outcome = change(encoded(deep, extension), {{}, kWebFormats, 0});
    ASSERT_EQ(outcome.pixels.type(), CV_8UC1) << extension;
    for (int i = 0; i < 256; ++i) {
      ASSERT_EQ(outcome.pixels.at<std::uint8_t>(i / 16, i % 16), i) << extension;
    }
  }
}

TEST_F(ImageCodecFormats, RefusesFloatingPointSamples) {
  const cv::Mat image(8, 8, CV_32FC1, cv::Scalar(0.5));
  const auto sent =
      prepare(encoded(image, ".tiff", {cv::IMWRITE_TIFF_COMPRESSION, 1}), {{}, kWebFormats, 0});
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().kind, ErrorKind::kData);
  EXPECT_THAT(sent.error().message, AllOf(HasSubstr("image.bin"), HasSubstr("8 or 16 bits")));
}

// 8 x 8 pixels of pure red as an Adobe CMYK JPEG (inverted samples).
constexpr unsigned char kRedCmykJpeg[] = {
    0xFF, 0xD8, 0xFF, 0xEE, 0x00, 0x0E, 0x41, 0x64, 0x6F, 0x62, 0x65, 0x00, 0x64, 0x00, 0x00, 0x00,
    0x00, 0x00, 0xFF, 0xDB, 0x00, 0x43, 0x00, 0x0D, 0x09, 0x0A, 0x0B, 0x0A, 0x08, 0x0D, 0x0B, 0x0A,
    0x0B, 0x0E, 0x0E, 0x0D, 0x0F, 0x13, 0x20, 0x15, 0x13, 0x12, 0x12, 0x13, 0x27, 0x1C, 0x1E, 0x17,
    0x20, 0x2E, 0x29, 0x31, 0x30, 0x2E, 0x29, 0x2D, 0x2C, 0x33, 0x3A, 0x4A, 0x3E, 0x33, 0x36, 0x46,
    0x37, 0x2C, 0x2D, 0x40, 0x57, 0x41, 0x46, 0x4C, 0x4E, 0x52, 0x53, 0x52, 0x32, 0x3E, 0x5A, 0x61,
    0x5A, 0x50, 0x60, 0x4A, 0x51, 0x52, 0x4F, 0xFF, 0xC0, 0x00, 0x14, 0x08, 0x00, 0x08, 0x00, 0x08,
    0x04, 0x43, 0x11, 0x00, 0x4D, 0x11, 0x00, 0x59, 0x11, 0x00, 0x4B, 0x11, 0x00, 0xFF, 0xC4, 0x00,
    0x14, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x07, 0xFF, 0xC4, 0x00, 0x14, 0x10, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xDA, 0x00, 0x0E, 0x04, 0x43, 0x00,
    0x4D, 0x00, 0x59, 0x00, 0x4B, 0x00, 0x00, 0x3F, 0x00, 0x4E, 0x18, 0x0C, 0x09, 0xCF, 0xFF, 0xD9};

TEST_F(ImageCodecFormats, TurnsCmykIntoRgb) {
  const std::string jpeg(std::begin(kRedCmykJpeg), std::end(kRedCmykJpeg));
  const Outcome outcome = change(jpeg, {{}, kWebFormats, 0});
  const cv::Mat red(8, 8, CV_8UC3, cv::Scalar(0, 0, 255));
  EXPECT_EQ(outcome.sent.format, kJpeg);
  EXPECT_LT(mean_difference(outcome.pixels, red), 3);
}

TEST_F(ImageCodecFormats, IgnoresTheUnusedFourthByteOfABmpPixel) {
  std::string bmp = bmp_header_image({16, 16}, 32);
  for (std::size_t at = 54 + 3; at < bmp.size(); at += 4) bmp[at] = '\0';
  const Outcome outcome = change(bmp, {{}, kWebFormats, 0});
  const cv::Mat expected(16, 16, CV_8UC3, cv::Scalar::all('x'));
  EXPECT_EQ(mean_difference(outcome.pixels, expected), 0);
}

// ---- transparency ----

// Left half opaque green, right half fully transparent with a hidden red.
cv::Mat half_transparent_image() {
  cv::Mat out(64, 64, CV_8UC4, cv::Scalar(0, 200, 0, 255));
  out.colRange(32, 64).setTo(cv::Scalar(0, 0, 255, 0));
  return out;
}

TEST_F(ImageCodecFormats, KeepsTransparencyWhereTheFormatHasIt) {
  const Outcome outcome =
      change(encoded(half_transparent_image(), ".png"), {ImageSize{21, 21}, kWebFormats, 0});
  ASSERT_EQ(outcome.sent.format, kPng);
  ASSERT_EQ(outcome.pixels.type(), CV_8UC4);
  EXPECT_EQ(outcome.pixels.at<cv::Vec4b>(10, 2), cv::Vec4b(0, 200, 0, 255));
  EXPECT_EQ(outcome.pixels.at<cv::Vec4b>(10, 18)[3], 0);
  const cv::Vec4b edge = outcome.pixels.at<cv::Vec4b>(10, 10);
  EXPECT_GT(edge[3], 0) << edge;
  EXPECT_LT(edge[3], 255) << edge;
  EXPECT_LE(edge[2], 2) << "the hidden red bleeds in: " << edge;
}

TEST_F(ImageCodecFormats, PutsTransparencyOnWhiteForAJpeg) {
  cv::Mat expected(64, 64, CV_8UC3, cv::Scalar(0, 200, 0));
  expected.colRange(32, 64).setTo(cv::Scalar::all(255));
  for (const char* extension : {".png", ".tiff"}) {
    const Outcome outcome = change(encoded(half_transparent_image(), extension), {{}, {kJpeg}, 0});
    EXPECT_LT(mean_difference(outcome.pixels, expected), 2) << extension;
  }
}

TEST_F(ImageCodecFormats, KeepsTheColourOfHalfTransparentTiffPixels) {
  const cv::Mat expected(8, 8, CV_8UC4, cv::Scalar(60, 120, 240, 128));
  const cv::Mat rgba(8, 8, CV_8UC4, cv::Scalar(240, 120, 60, 128));
  const cv::Mat multiplied(8, 8, CV_8UC4, cv::Scalar(120, 60, 30, 128));
  const std::pair<int, cv::Mat> cases[] = {{0, rgba}, {1, multiplied}, {2, rgba}};
  for (const auto& [extra_samples, pixels] : cases) {
    const std::string_view raw(reinterpret_cast<const char*>(pixels.data), pixels.total() * 4);
    const Outcome outcome = change(rgba_tiff(8, 8, raw, extra_samples), {{}, kWebFormats, 0});
    EXPECT_LE(mean_difference(outcome.pixels, expected), 1) << "ExtraSamples " << extra_samples;
  }
}

TEST_F(ImageCodecFormats, DropsAnAlphaChannelThatHidesNothing) {
  const cv::Mat image(32, 32, CV_8UC4, cv::Scalar(10, 20, 30, 255));
  EXPECT_EQ(change(encoded(image, ".png"), {ImageSize{16, 16}, {}, 0}).pixels.channels(), 3);
}

// ---- animations and GIF ----

std::string anmf_chunk(const std::string& webp, int x, int y, const cv::Mat& frame) {
  return riff_chunk("ANMF", u24_le(static_cast<std::uint32_t>(x / 2)) +
                                u24_le(static_cast<std::uint32_t>(y / 2)) +
                                u24_le(static_cast<std::uint32_t>(frame.cols - 1)) +
                                u24_le(static_cast<std::uint32_t>(frame.rows - 1)) + u24_le(100) +
                                std::string(1, '\0') + webp.substr(12));
}

std::string animated_webp(const cv::Mat& first, cv::Point place, cv::Size canvas) {
  const auto lossless = [](const cv::Mat& frame) {
    return encoded(frame, ".webp", {cv::IMWRITE_WEBP_QUALITY, 101});
  };
  const cv::Mat second(canvas, CV_8UC3, cv::Scalar(1, 2, 3));
  return webp_file(vp8x_chunk(0x12, canvas.width, canvas.height) +
                   riff_chunk("ANIM", std::string(6, '\0')) +
                   anmf_chunk(lossless(first), place.x, place.y, first) +
                   anmf_chunk(lossless(second), 0, 0, second));
}

TEST_F(ImageCodecFormats, TakesTheFirstFrameOfAnAnimatedWebp) {
  const cv::Mat first = asymmetric_image();
  const Outcome outcome = change(animated_webp(first, {0, 0}, first.size()), {{}, kWebFormats, 0});
  EXPECT_EQ(mean_difference(outcome.pixels, first), 0);
}

TEST_F(ImageCodecFormats, PutsASmallFirstFrameInItsPlaceOnTheCanvas) {
  const cv::Mat first = asymmetric_image(16, 12);
  const Outcome outcome = change(animated_webp(first, {10, 6}, {40, 30}), {{}, {kPng}, 0});
  cv::Mat expected(30, 40, CV_8UC4, cv::Scalar::all(0));
  cv::Mat opaque;
  cv::cvtColor(first, opaque, cv::COLOR_BGR2BGRA);
  opaque.copyTo(expected({10, 6, 16, 12}));
  EXPECT_EQ(mean_difference(outcome.pixels, expected), 0);
}

TEST_F(ImageCodecFormats, RefusesAFrameBeyondTheCanvas) {
  const auto sent =
      prepare(animated_webp(asymmetric_image(), {4, 0}, asymmetric_image().size()), {});
  ASSERT_FALSE(sent);
  EXPECT_THAT(sent.error().message, HasSubstr("outside the canvas"));
}

// Valid LZW without compression: a clear code before each pixel keeps all codes at 3 bits.
std::string gif_of(const std::vector<int>& indices, int width, int height, int flags,
                   const std::string& control) {
  std::string packed;
  std::uint32_t bits = 0;
  int held = 0;
  const auto put = [&](std::uint32_t code) {
    bits |= code << held;
    for (held += 3; held >= 8; held -= 8, bits >>= 8) packed += static_cast<char>(bits & 0xFF);
  };
  constexpr std::uint32_t kClear = 4;
  constexpr std::uint32_t kEnd = 5;
  for (const int index : indices) {
    put(kClear);
    put(static_cast<std::uint32_t>(index));
  }
  put(kEnd);
  put(0);
  put(0);
  const auto size = u16(static_cast<std::uint32_t>(width), ByteOrder::kLittle) +
                    u16(static_cast<std::uint32_t>(height), ByteOrder::kLittle);
  std::string out = "GIF89a" + size + std::string("\x81\0\0", 3);
  out += std::string("\0\0\0\xFF\0\0\0\xFF\0\0\0\xFF", 12);  // black, red, green, blue
  out += control + std::string("\x2C\0\0\0\0", 5) + size + static_cast<char>(flags) + "\2";
  for (std::size_t at = 0; at < packed.size(); at += 255) {
    const std::string block = packed.substr(at, 255);
    out += static_cast<char>(block.size());
    out += block;
  }
  return out + std::string("\0;", 2);
}

// Row r is filled with colour r % 4.
std::vector<int> striped_rows(const std::vector<int>& order, int width) {
  std::vector<int> out;
  for (const int row : order) out.insert(out.end(), static_cast<std::size_t>(width), row % 4);
  return out;
}

cv::Mat striped_image(int width, int height) {
  const cv::Vec3b colours[] = {{0, 0, 0}, {0, 0, 255}, {0, 255, 0}, {255, 0, 0}};
  cv::Mat out(height, width, CV_8UC3);
  for (int row = 0; row < height; ++row) out.row(row).setTo(cv::Scalar(colours[row % 4]));
  return out;
}

TEST_F(ImageCodecFormats, ReadsAGif) {
  const auto indices = striped_rows({0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 12);
  const Outcome outcome = change(gif_of(indices, 12, 10, 0, ""), {{}, kWebFormats, 0});
  EXPECT_EQ(mean_difference(outcome.pixels, striped_image(12, 10)), 0);
}

TEST_F(ImageCodecFormats, ReadsAnInterlacedGif) {
  const auto indices = striped_rows({0, 8, 4, 2, 6, 1, 3, 5, 7, 9}, 12);
  const Outcome outcome = change(gif_of(indices, 12, 10, 0x40, ""), {{}, kWebFormats, 0});
  EXPECT_EQ(mean_difference(outcome.pixels, striped_image(12, 10)), 0);
}

TEST_F(ImageCodecFormats, ReadsATransparentGif) {
  const std::string red_is_transparent("\x21\xF9\x04\x01\0\0\x01\0", 8);
  const auto indices = striped_rows({0, 1, 2, 3}, 4);
  const Outcome outcome =
      change(gif_of(indices, 4, 4, 0, red_is_transparent), {{}, kWebFormats, 0});
  ASSERT_EQ(outcome.pixels.type(), CV_8UC4);
  EXPECT_EQ(outcome.pixels.at<cv::Vec4b>(0, 0), cv::Vec4b(0, 0, 0, 255));
  EXPECT_EQ(outcome.pixels.at<cv::Vec4b>(1, 0)[3], 0);
}

TEST_F(ImageCodecFormats, RefusesADamagedGif) {
  const auto sent = prepare(gif_of({0, 1, 2}, 4, 4, 0, ""), {{}, kWebFormats, 0});
  ASSERT_FALSE(sent);
  EXPECT_THAT(sent.error().message, HasSubstr("damaged"));
}

// Whatever the damage: an error or an image of the asked size, never an exception.
TEST_F(ImageCodecFormats, SurvivesDamagedBytes) {
  std::mt19937 random(99);
  const cv::Mat image = asymmetric_image();
  const std::string originals[] = {encoded(image, ".webp"), encoded(image, ".tiff"),
                                   encoded(image, ".bmp"),
                                   animated_webp(image, {0, 0}, image.size()),
                                   gif_of(striped_rows({0, 1, 2, 3}, 4), 4, 4, 0, "")};
  int refused = 0;
  ::testing::internal::CaptureStderr();  // the libraries below OpenCV may print
  for (const std::string& original : originals) {
    for (int round = 0; round < 200; ++round) {
      std::string bytes = original;
      for (int i = 0; i < 3; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
      const auto sent = prepare(bytes, {ImageSize{30, 20}, kWebFormats, 0});
      refused += sent ? 0 : 1;
      if (sent) {
        ASSERT_EQ(sent->size, (ImageSize{30, 20}));
      }
    }
  }
  ::testing::internal::GetCapturedStderr();
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace alig
