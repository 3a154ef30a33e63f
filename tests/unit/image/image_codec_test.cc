#include <algorithm>
#include <array>
#include <functional>
#include <thread>
#include <vector>

#include <gmock/gmock.h>

#include "image_codec_test_fixture.h"

namespace alig {
namespace {

using namespace alig::image_test;
using ::testing::AllOf;
using ::testing::HasSubstr;
using enum ImageFormat;

class ImageCodec : public ImageCodecTest {};

// ---- whether to touch it at all ----

TEST(ImageCodecDecision, ChangesOnlyWhatTheEndpointWouldNotTake) {
  const ImageInfo jpeg{
      .stored_width = 40, .stored_height = 30, .width = 40, .height = 30, .file_size = 1000};
  const auto with = [&jpeg](auto edit) {
    ImageInfo out = jpeg;
    edit(out);
    return out;
  };
  struct Row {
    const char* name;
    ImageInfo info;
    ImagePreparation preparation;
    bool expected;
  };
  const Row rows[] = {
      {"nothing asked", jpeg, {}, false},
      {"accepted", jpeg, {{}, kWebFormats, 0}, false},
      {"not accepted", jpeg, {{}, {kPng}, 0}, true},
      {"the same size", jpeg, {ImageSize{40, 30}, {}, 0}, false},
      {"another width", jpeg, {ImageSize{41, 30}, {}, 0}, true},
      {"another height", jpeg, {ImageSize{40, 28}, {}, 0}, true},
      {"as many bytes as allowed", jpeg, {{}, {}, 1000}, false},
      {"a byte too many", jpeg, {{}, {}, 999}, true},
      {"turned", with([](ImageInfo& i) { i.orientation = 6; }), {}, true},
      {"special", with([](ImageInfo& i) { i.plain = false; }), {}, true},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(needs_change(row.info, row.preparation), row.expected) << row.name;
  }
}

TEST(ImageCodecDecision, DoesNotEvenOpenAFileThatIsSentAsItIs) {
  const ImageInfo info{.format = kPng, .width = 40, .height = 30, .file_size = 1000};
  const auto sent = prepare_image("/no/such/file.png", info, {});
  ASSERT_TRUE(sent);
  EXPECT_TRUE(sent->original);
  EXPECT_EQ(sent->bytes, nullptr);
  EXPECT_EQ(sent->format, kPng);
  EXPECT_EQ(sent->size, (ImageSize{40, 30}));
}

TEST(ImageCodecDecision, RefusesASizeWithoutArea) {
  const auto sent = prepare_image("/no/such/file.png", {}, {ImageSize{0, 10}, {}, 0});
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().kind, ErrorKind::kInvalidArgument);
}

// ---- orientation ----

// What a camera held in that way stores: written as a table of places so that it shares nothing
// with the code under test. EXIF 2.32: row 0 and column 0 of the stored image are the upright
// one's (1) top, left (2) top, right (3) bottom, right (4) bottom, left (5) left, top (6) right,
// top (7) right, bottom (8) left, bottom.
cv::Mat as_stored(const cv::Mat& upright, int orientation) {
  const int w = upright.cols - 1;
  const int h = upright.rows - 1;
  using Place = std::function<cv::Point(int row, int column)>;  // in the upright image
  const std::array<Place, 8> places{
      [](int r, int c) { return cv::Point(c, r); },
      [w](int r, int c) { return cv::Point(w - c, r); },
      [w, h](int r, int c) { return cv::Point(w - c, h - r); },
      [h](int r, int c) { return cv::Point(c, h - r); },
      [](int r, int c) { return cv::Point(r, c); },
      [w](int r, int c) { return cv::Point(w - r, c); },
      [w, h](int r, int c) { return cv::Point(w - r, h - c); },
      [h](int r, int c) { return cv::Point(r, h - c); },
  };
  cv::Mat out(orientation >= 5 ? cv::Size(upright.rows, upright.cols) : upright.size(), CV_8UC3);
  for (int r = 0; r < out.rows; ++r) {
    for (int c = 0; c < out.cols; ++c) {
      const cv::Point at = places[static_cast<std::size_t>(orientation - 1)](r, c);
      out.at<cv::Vec3b>(r, c) = upright.at<cv::Vec3b>(at);
    }
  }
  return out;
}

struct OrientedFormat {
  const char* name;
  std::string (*make)(const cv::Mat& stored, int orientation);
  double tolerance;  // mean difference of a sample
};

const OrientedFormat kOrientedFormats[] = {
    {"jpeg",
     [](const cv::Mat& stored, int orientation) {
       return jpeg_with(encoded(stored, ".jpg", {cv::IMWRITE_JPEG_QUALITY, 98}),
                        exif_segment(orientation, ByteOrder::kBig));
     },
     4.0},
    {"png",
     [](const cv::Mat& stored, int orientation) {
       return png_with(encoded(stored, ".png"), png_chunk("eXIf", exif_block(orientation)));
     },
     0.0},
    {"webp",
     [](const cv::Mat& stored, int orientation) {
       return webp_with_exif(encoded(stored, ".webp", {cv::IMWRITE_WEBP_QUALITY, 101}),
                             exif_block(orientation), stored.cols, stored.rows);
     },
     0.0},
    {"tiff",
     [](const cv::Mat& stored, int orientation) {
       std::string grey = tiff_header_image({stored.cols, stored.rows, orientation});
       cv::Mat plane;
       cv::cvtColor(stored, plane, cv::COLOR_BGR2GRAY);
       const std::size_t size = plane.total();
       return grey.replace(grey.size() - size, size, reinterpret_cast<char*>(plane.data), size);
     },
     0.0},
};

TEST_F(ImageCodec, TurnsEveryOrientationUprightInEveryFormat) {
  const cv::Mat upright = asymmetric_image();
  for (const OrientedFormat& format : kOrientedFormats) {
    for (int orientation = 2; orientation <= 8; ++orientation) {
      SCOPED_TRACE(format.name + std::string(", orientation ") + std::to_string(orientation));
      cv::Mat expected = upright;
      const Outcome outcome =
          change(format.make(as_stored(upright, orientation), orientation), {{}, kWebFormats, 0});
      ASSERT_FALSE(outcome.pixels.empty());
      EXPECT_EQ(outcome.sent.size, (ImageSize{upright.cols, upright.rows}));
      if (outcome.pixels.channels() == 1) cv::cvtColor(upright, expected, cv::COLOR_BGR2GRAY);
      EXPECT_LE(mean_difference(outcome.pixels, expected), format.tolerance);
    }
  }
}

TEST_F(ImageCodec, TurnsAndResizesTogether) {
  const cv::Mat upright = asymmetric_image(256, 192);  // large enough to shrink on load
  cv::Mat expected;
  cv::resize(upright, expected, {48, 32}, 0, 0, cv::INTER_AREA);
  for (const OrientedFormat& format : kOrientedFormats) {
    for (int orientation = 1; orientation <= 8; ++orientation) {
      SCOPED_TRACE(format.name + std::string(", orientation ") + std::to_string(orientation));
      const Outcome outcome = change(format.make(as_stored(upright, orientation), orientation),
                                     {ImageSize{48, 32}, kWebFormats, 0});
      ASSERT_FALSE(outcome.pixels.empty());
      cv::Mat wanted = expected;
      if (outcome.pixels.channels() == 1) cv::cvtColor(expected, wanted, cv::COLOR_BGR2GRAY);
      EXPECT_LE(mean_difference(outcome.pixels, wanted), format.tolerance + 1.0);
      EXPECT_FALSE(outcome.sent.downscaled_for_limit);
    }
  }
}

// ---- size ----

TEST_F(ImageCodec, SendsExactlyTheSizeThatWasAsked) {
  const std::string jpeg = encoded(smooth_image(640, 480), ".jpg");
  for (const ImageSize size : {ImageSize{640, 448}, ImageSize{644, 476}, ImageSize{80, 60},
                               ImageSize{1, 1}, ImageSize{33, 479}, ImageSize{28, 504}}) {
    SCOPED_TRACE(std::to_string(size.width) + "x" + std::to_string(size.height));
    EXPECT_EQ(change(jpeg, {size, kWebFormats, 0}).sent.size, size);
  }
}

// The decoder's own downscaling must not shift the image against a full decode.
TEST_F(ImageCodec, DownscalesWhatItLoadsSmallerAsItWouldTheFullImage) {
  for (const cv::Size full : {cv::Size(1600, 1200), cv::Size(1601, 1203), cv::Size(1604, 1202)}) {
    const std::string jpeg =
        encoded(smooth_image(full.width, full.height), ".jpg", {cv::IMWRITE_JPEG_QUALITY, 98});
    const std::vector<unsigned char> raw(jpeg.begin(), jpeg.end());
    for (const cv::Size target : {cv::Size(190, 140), cv::Size(400, 300), cv::Size(700, 500)}) {
      cv::Mat expected;
      cv::resize(cv::imdecode(raw, cv::IMREAD_COLOR), expected, target, 0, 0, cv::INTER_AREA);
      const Outcome outcome = change(jpeg, {ImageSize{target.width, target.height}, {kPng}, 0});
      EXPECT_LT(mean_difference(outcome.pixels, expected), 1.5) << full << " to " << target;
    }
  }
}

// ---- limit in bytes ----

TEST_F(ImageCodec, StoresAgainBeforeItDownscales) {
  const cv::Mat image = smooth_image(400, 300);
  const std::string png = encoded(image, ".png");
  const Outcome outcome = change(png, {{}, kWebFormats, png.size() / 2});
  EXPECT_EQ(outcome.sent.format, kJpeg);
  EXPECT_EQ(outcome.sent.size, (ImageSize{400, 300}));
  EXPECT_FALSE(outcome.sent.downscaled_for_limit);
  EXPECT_LT(mean_difference(outcome.pixels, image), 2);
}

TEST_F(ImageCodec, DownscalesUntilItFits) {
  const std::string jpeg = encoded(noise_image(400, 300), ".jpg");
  for (const std::uint64_t limit : {jpeg.size() - 1, jpeg.size() / 3, jpeg.size() / 40}) {
    const Outcome outcome = change(jpeg, {{}, kWebFormats, limit});
    ASSERT_NE(outcome.sent.bytes, nullptr);
    EXPECT_LE(outcome.sent.bytes->size(), limit);
    EXPECT_GT(outcome.sent.bytes->size(), limit / 4) << "downscaled more than needed";
    const ImageSize size = outcome.sent.size;
    EXPECT_EQ(outcome.sent.downscaled_for_limit, size.width < 400);
    EXPECT_NEAR(size.width / 400.0, size.height / 300.0, 0.01);
  }
}

TEST_F(ImageCodec, ReportsThatTheLimitOverruledTheSize) {
  const std::string jpeg = encoded(noise_image(400, 300), ".jpg");
  const Outcome outcome = change(jpeg, {ImageSize{308, 224}, kWebFormats, 5000});
  EXPECT_TRUE(outcome.sent.downscaled_for_limit);
  EXPECT_LT(outcome.sent.size.width, 308);
}

TEST_F(ImageCodec, GivesUpBelowAUsefulSize) {
  const auto sent = prepare(encoded(noise_image(200, 200), ".jpg"), {{}, kWebFormats, 100});
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().kind, ErrorKind::kData);
  EXPECT_THAT(sent.error().message, HasSubstr("100 bytes"));
}

// ---- damage ----

TEST_F(ImageCodec, ReportsAWrongChecksumAndPrintsNothing) {
  std::string png = encoded(smooth_image(64, 64), ".png");
  png[png.size() / 2] = static_cast<char>(~png[png.size() / 2]);
  ::testing::internal::CaptureStderr();
  const auto sent = prepare(png, {ImageSize{32, 32}, {}, 0});
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().kind, ErrorKind::kData);
  EXPECT_THAT(sent.error().message, AllOf(HasSubstr("image.bin"), HasSubstr("IDAT")));
}

TEST_F(ImageCodec, PrintsNothingAboutADoubtfulColourProfile) {
  const std::string png =
      png_with(encoded(asymmetric_image(), ".png"), png_chunk("iCCP", "not a profile"));
  ::testing::internal::CaptureStderr();
  const Outcome outcome = change(png, {ImageSize{32, 24}, {}, 0});
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(outcome.sent.size, (ImageSize{32, 24}));
}

TEST_F(ImageCodec, NoticesThatTheFileWasReplaced) {
  const auto path = folder_.write("a.png", encoded(asymmetric_image(64, 48), ".png"));
  const auto info = read_image_info(path);
  folder_.write("a.png", encoded(asymmetric_image(48, 64), ".png"));
  const auto sent = prepare_image(path, *info, {ImageSize{32, 32}, {}, 0});
  ASSERT_FALSE(sent);
  EXPECT_THAT(sent.error().message, HasSubstr("was it replaced"));
}

TEST_F(ImageCodec, RefusesWhatIsTooLargeForTheDecoder) {
  const auto path = folder_.write("wide.png", png_header_image({2'000'000, 1}));
  const auto info = read_image_info(path);
  ASSERT_TRUE(info);
  const auto sent = prepare_image(path, *info, {ImageSize{32, 32}, {}, 0});
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().kind, ErrorKind::kData);
  EXPECT_THAT(sent.error().message, AllOf(HasSubstr("wide.png"), HasSubstr("2^20")));
}

TEST_F(ImageCodec, ReportsAFileThatVanished) {
  const auto path = folder_.write("a.png", encoded(asymmetric_image(), ".png"));
  const auto info = read_image_info(path);
  std::filesystem::remove(path);
  const auto sent = prepare_image(path, *info, {ImageSize{32, 32}, {}, 0});
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().kind, ErrorKind::kNotFound);
}

TEST_F(ImageCodec, GivesTheSameBytesOnSeveralThreads) {
  const auto path = folder_.write("a.jpg", encoded(smooth_image(300, 200), ".jpg"));
  const auto info = read_image_info(path);
  std::array<std::string, 4> results;
  std::vector<std::thread> threads;
  for (std::string& result : results) {
    threads.emplace_back([&] {
      const auto sent = prepare_image(path, *info, {ImageSize{140, 112}, {}, 0});
      if (sent) result = *sent->bytes;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(results[0].empty());
  for (const std::string& result : results) EXPECT_EQ(result, results[0]);
}

TEST_F(ImageCodec, PreparesRealPhotographs) {
  if (shared_data().empty()) GTEST_SKIP() << "ALIG_SHARED_DATA is not set";
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(shared_data() / "images")) {
    if (!entry.is_regular_file()) continue;
    const auto info = read_image_info(entry.path());
    ASSERT_TRUE(info) << info.error().message;
    const auto sent = prepare_image(entry.path(), *info, {ImageSize{252, 196}, kWebFormats, 0});
    ASSERT_TRUE(sent) << sent.error().message;
    EXPECT_EQ(sent->size, (ImageSize{252, 196})) << entry.path();
  }
}

}  // namespace
}  // namespace alig
