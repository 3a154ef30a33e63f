#include "auto_label_image_grounding/image/image_info.h"

#include <sys/stat.h>

#include <fstream>
#include <memory>
#include <random>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "image_test_support.h"

namespace alig {
namespace {

using namespace alig::image_test;
using ::testing::AllOf;
using ::testing::HasSubstr;

// In a block of exactly its size, so that a sanitizer sees the first byte read beyond it.
Result<ImageInfo> read_exact(std::string_view bytes, const ImageLimits& limits = {}) {
  const std::unique_ptr<char[]> block(new char[bytes.size()]);
  std::copy(bytes.begin(), bytes.end(), block.get());
  return read_image_info_from_bytes({block.get(), bytes.size()}, limits);
}

std::string to_text(const Result<ImageInfo>& result) {
  if (!result) return "error: " + result.error().message;
  const ImageInfo& i = *result;
  std::string out = mime_type(i.format);
  out += " " + std::to_string(i.stored_width) + "x" + std::to_string(i.stored_height);
  out += " o" + std::to_string(i.orientation);
  out += " " + std::to_string(i.width) + "x" + std::to_string(i.height);
  out += i.plain ? " plain" : " special";
  out += i.lossy ? " lossy" : " lossless";
  return out;
}

struct Sample {
  std::string name;
  std::string bytes;
  std::string expected;
  std::size_t spare = 0;  // bytes at the end that a reader can do without
};

std::vector<Sample> samples() {
  const HeaderImage p;
  const HeaderImage top_down{40, -30};
  return {
      {"baseline", jpeg_header_image(p), "image/jpeg 40x30 o1 40x30 plain lossy"},
      {"progressive", jpeg_header_image(p, 0xC2), "image/jpeg 40x30 o1 40x30 plain lossy"},
      {"grey", jpeg_header_image(p, 0xC0, 8, 1), "image/jpeg 40x30 o1 40x30 plain lossy"},
      {"cmyk", jpeg_header_image(p, 0xC0, 8, 4), "image/jpeg 40x30 o1 40x30 special lossy"},
      {"12 bits", jpeg_header_image(p, 0xC1, 12), "image/jpeg 40x30 o1 40x30 special lossy"},
      {"lossless", jpeg_header_image(p, 0xC3), "image/jpeg 40x30 o1 40x30 special lossy"},
      {"arithmetic", jpeg_header_image(p, 0xC9), "image/jpeg 40x30 o1 40x30 special lossy"},
      {"rgb", png_header_image(p), "image/png 40x30 o1 40x30 plain lossless"},
      {"1 bit", png_header_image(p, 1, 3), "image/png 40x30 o1 40x30 plain lossless"},
      {"16 bits", png_header_image(p, 16, 6), "image/png 40x30 o1 40x30 special lossless"},
      {"apng", png_with(png_header_image(p), png_chunk("acTL", u32(2) + u32(0))),
       "image/png 40x30 o1 40x30 special lossless"},
      {"apng of one", png_with(png_header_image(p), png_chunk("acTL", u32(1) + u32(0))),
       "image/png 40x30 o1 40x30 plain lossless"},
      // the last byte pads the odd chunk
      {"vp8", vp8_header_image(p), "image/webp 40x30 o1 40x30 plain lossy", 1},
      {"vp8l", vp8l_header_image(p), "image/webp 40x30 o1 40x30 plain lossless"},
      {"vp8x", vp8_header_image({40, 30, 6}), "image/webp 40x30 o6 30x40 plain lossy"},
      {"animated webp", animated_webp_header_image(p, 2),
       "image/webp 40x30 o1 40x30 special lossless"},
      {"gif", gif_header_image(p, 1), "image/gif 40x30 o1 40x30 plain lossless", 1},
      // a first image is enough
      {"animated gif", gif_header_image(p, 2), "image/gif 40x30 o1 40x30 special lossless", 28},
      {"bmp", bmp_header_image(p), "image/bmp 40x30 o1 40x30 plain lossless"},
      {"bmp from the top", bmp_header_image(top_down), "image/bmp 40x30 o1 40x30 plain lossless"},
      {"bmp 16", bmp_header_image(p, 16), "image/bmp 40x30 o1 40x30 special lossless"},
      {"bmp 1, padded", bmp_header_image(p, 1), "image/bmp 40x30 o1 40x30 plain lossless", 3},
      {"tiff II", tiff_header_image(p), "image/tiff 40x30 o1 40x30 plain lossless"},
      {"tiff MM", tiff_header_image({40, 30, 8, ByteOrder::kBig}),
       "image/tiff 40x30 o8 30x40 plain lossless"},
      {"tiff 16", tiff_header_image(p, 16), "image/tiff 40x30 o1 40x30 special lossless"},
      {"tiff pages", tiff_header_image(p, 8, 2), "image/tiff 40x30 o1 40x30 special lossless"},
  };
}

TEST(ImageInfo, ReadsEveryFormat) {
  for (const Sample& sample : samples()) {
    const auto info = read_exact(sample.bytes);
    EXPECT_EQ(to_text(info), sample.expected) << sample.name;
    EXPECT_EQ(info ? info->file_size : 0, sample.bytes.size()) << sample.name;
  }
}

TEST(ImageInfo, ReadsTheSameFromAFileWhateverItsName) {
  const TemporaryFolder folder;
  for (const Sample& sample : samples()) {
    const auto path = folder.write("wrong_extension.txt", sample.bytes);
    EXPECT_EQ(to_text(read_image_info(path)), sample.expected) << sample.name;
  }
}

TEST(ImageInfo, ReadsEveryOrientationInEveryFormatAndByteOrder) {
  using Make = std::string (*)(const HeaderImage&);
  const std::pair<const char*, Make> makers[] = {
      {"jpeg", [](const HeaderImage& p) { return jpeg_header_image(p); }},
      {"png", [](const HeaderImage& p) { return png_header_image(p); }},
      {"vp8", vp8_header_image},
      {"vp8l with Exif prefix", vp8l_header_image},
      {"tiff", [](const HeaderImage& p) { return tiff_header_image(p); }},
  };
  for (const auto& [name, make] : makers) {
    for (const ByteOrder order : {ByteOrder::kLittle, ByteOrder::kBig}) {
      for (int orientation = 1; orientation <= 9; ++orientation) {
        const auto info = read_exact(make({40, 30, orientation, order}));
        ASSERT_TRUE(info) << name << orientation << info.error().message;
        const int expected = orientation == 9 ? 1 : orientation;
        const std::string input =
            name + std::string(", orientation ") + std::to_string(orientation);
        EXPECT_EQ(info->orientation, expected) << input;
        EXPECT_EQ(info->width, expected >= 5 ? 30 : 40) << input;
        EXPECT_EQ(info->height, expected >= 5 ? 40 : 30) << input;
        EXPECT_EQ(info->stored_width, 40) << input;
      }
    }
  }
}

TEST(ImageInfo, RefusesEveryPrefix) {
  for (const Sample& sample : samples()) {
    for (std::size_t length = 0; length < sample.bytes.size(); ++length) {
      const auto info = read_exact(std::string_view(sample.bytes).substr(0, length));
      const bool complete = length + sample.spare >= sample.bytes.size();
      ASSERT_EQ(info.has_value(), complete)
          << sample.name << " cut to " << length << " of " << sample.bytes.size() << " bytes";
      ASSERT_EQ(complete ? ErrorKind::kData : info.error().kind, ErrorKind::kData) << sample.name;
    }
  }
}

TEST(ImageInfo, SurvivesDamagedBytes) {
  std::mt19937 random(20240607);
  for (const Sample& sample : samples()) {
    for (int round = 0; round < 2000; ++round) {
      std::string bytes = sample.bytes;
      const std::size_t reach = std::min<std::size_t>(bytes.size(), round % 2 == 0 ? 160 : 60);
      for (unsigned flips = 1 + random() % 4; flips > 0; --flips) {
        bytes[random() % reach] = static_cast<char>(random() % 4 == 0 ? 0xFF : random());
      }
      const auto info = read_exact(bytes, {0});
      if (!info) {
        EXPECT_EQ(info.error().kind, ErrorKind::kData);
        continue;
      }
      ASSERT_GT(info->width, 0) << sample.name;
      ASSERT_GT(info->height, 0) << sample.name;
      ASSERT_TRUE(info->orientation >= 1 && info->orientation <= 8) << sample.name;
    }
  }
}

// ---- JPEG structure ----

TEST(ImageInfo, FindsTheFrameHeaderBehindMegabytesOfMetadata) {
  std::string jpeg = jpeg_header_image({40, 30, 3});
  for (int i = 0; i < 50; ++i) {
    jpeg = jpeg_with(jpeg, jpeg_segment(0xE2, std::string(65'000, '\xD9')));
  }
  EXPECT_EQ(to_text(read_exact(jpeg)), "image/jpeg 40x30 o3 40x30 plain lossy");
}

TEST(ImageInfo, ReadsAnOrientationBehindAnXmpSegmentAndFillBytes) {
  const std::string xmp = jpeg_segment(0xE1, "http://ns.adobe.com/xap/1.0/");
  const std::string jpeg = jpeg_with(jpeg_header_image({}), xmp + "\xFF\xFF\xFF" + exif_segment(5));
  EXPECT_EQ(to_text(read_exact(jpeg)), "image/jpeg 40x30 o5 30x40 plain lossy");
}

TEST(ImageInfo, TakesJunkBehindTheEndMarkerOfAJpeg) {
  constexpr std::size_t kBlock = 1 << 16;  // of the backward search: the pair may lie across two
  for (const std::size_t junk : {std::size_t{1}, kBlock - 2, kBlock - 1, kBlock, 3 * kBlock + 7}) {
    const auto info = read_exact(jpeg_header_image({}) + std::string(junk, '\0'));
    EXPECT_TRUE(info) << junk << " bytes: " << info.error().message;
  }
}

TEST(ImageInfo, IsNotDeceivedByTheEndMarkerOfAThumbnail) {
  const std::string thumbnail = std::string("Exif\0\0", 6) + exif_block(1) + "\xFF\xD8\xFF\xD9";
  std::string jpeg = jpeg_with(jpeg_header_image({}), jpeg_segment(0xE1, thumbnail));
  jpeg.resize(jpeg.size() - 2);
  EXPECT_THAT(to_text(read_exact(jpeg)), HasSubstr("cut off"));
}

TEST(ImageInfo, RefusesAJpegFilledUpWithZeros) {
  std::string jpeg = jpeg_header_image({});
  jpeg.replace(jpeg.size() - 2, 2, std::string(200'000, '\0'));
  EXPECT_THAT(to_text(read_exact(jpeg)), HasSubstr("cut off"));
}

// ---- refusals ----

TEST(ImageInfo, SaysWhatIsWrong) {
  const HeaderImage p;
  std::string two_sizes = vp8_header_image({40, 30, 1});
  two_sizes[24] = 50;  // canvas width - 1
  std::string raw = tiff_header_image(p);
  raw[10] = static_cast<char>(254);  // ImageWidth becomes NewSubfileType …
  raw[11] = 0;
  raw[18] = 1;  // … with the flag of a preview
  const std::pair<std::string, const char*> cases[] = {
      {"", "the file is empty"},
      {"a", "no image format"},
      {std::string(4096, '\0'), "zeros only"},
      {"<!DOCTYPE html><html>", "failed download"},
      {"version https://git-lfs.github.com/spec/v1", "Git LFS pointer"},
      {std::string("\0\0\0\x1C", 4) + "ftypheic", "HEIC"},
      {std::string("\0\0\0\x1C", 4) + "ftypavif", "AVIF"},
      {"RIFF1234AVI LIST", "no image format"},
      {"BMW is a brand of cars and motorcycles", "no image format"},
      {jpeg_header_image({0, 30}), "impossible size, 0 x 30"},
      {jpeg_header_image({40, 0}), "impossible size, 40 x 0"},
      {png_header_image({-1, 30}), "impossible size"},
      {gif_header_image({0, 0}, 1), "impossible size"},
      {bmp_header_image({40, 0}), "impossible size"},
      {"\xFF\xD8\xFF\xD9", "ends before any image data"},
      {png_header_image(p, 7), "IHDR"},
      {png_header_image(p, 8, 5), "IHDR"},
      {animated_webp_header_image(p, 0), "no image data"},
      {two_sizes, "size differ"},
      {gif_header_image(p, 0), "no complete image"},
      {bmp_header_image(p, 23), "header is damaged"},
      {raw, "preview"},
  };
  for (const auto& [bytes, expected] : cases) {
    const auto info = read_exact(bytes);
    ASSERT_FALSE(info) << expected;
    EXPECT_EQ(info.error().kind, ErrorKind::kData) << expected;
    EXPECT_THAT(info.error().message, HasSubstr(expected));
  }
}

TEST(ImageInfo, RefusesMorePixelsThanTheLimitAndNamesItsKey) {
  const TemporaryFolder folder;
  const auto path = folder.write("big.jpg", jpeg_header_image({20'000, 10'001}));
  const auto info = read_image_info(path);
  ASSERT_FALSE(info);
  EXPECT_EQ(info.error().kind, ErrorKind::kData);
  EXPECT_THAT(info.error().message,
              AllOf(HasSubstr("big.jpg"), HasSubstr("data.max_image_pixels (200000000)"),
                    HasSubstr("20000 x 10001")));
  EXPECT_TRUE(read_image_info(path, {0}));
  EXPECT_TRUE(read_image_info(path, {200'020'000}));
  EXPECT_FALSE(read_image_info(path, {200'019'999}));
}

TEST(ImageInfo, DistinguishesAMissingFileFromAnUnreadableOne) {
  const TemporaryFolder folder;
  const auto pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const auto file = folder.write("a.jpg", jpeg_header_image({}));
  const std::pair<std::filesystem::path, ErrorKind> cases[] = {
      {folder.path() / "missing.jpg", ErrorKind::kNotFound},
      {file / "below_a_file.jpg", ErrorKind::kNotFound},
      {std::filesystem::path(file.string() + std::string("\0.png", 5)), ErrorKind::kNotFound},
      {folder.path(), ErrorKind::kIo},
      {pipe, ErrorKind::kIo},
      {"/dev/null", ErrorKind::kIo},
      {folder.path() / std::string(300, 'n'), ErrorKind::kIo},
      {folder.write("empty.jpg", ""), ErrorKind::kData},
  };
  for (const auto& [path, kind] : cases) {
    const auto info = read_image_info(path);
    ASSERT_FALSE(info) << path;
    EXPECT_EQ(info.error().kind, kind) << info.error().message;
    EXPECT_THAT(info.error().message, HasSubstr(path.c_str()));
  }
}

TEST(ImageInfo, AgreesWithTheCaptionsOfRealPhotographs) {
  const auto folder = shared_data();
  if (folder.empty()) GTEST_SKIP() << "ALIG_SHARED_DATA is not set";
  std::ifstream captions(folder / "captions.jsonl");
  ASSERT_TRUE(captions) << folder;
  int seen = 0;
  for (std::string line; std::getline(captions, line);) {
    const auto record = nlohmann::json::parse(line);
    const auto info = read_image_info(folder / record.at("image_path").get<std::string>());
    ASSERT_TRUE(info) << info.error().message;
    EXPECT_EQ(info->stored_width, record.at("width")) << line;
    EXPECT_EQ(info->stored_height, record.at("height")) << line;
    ++seen;
  }
  EXPECT_GT(seen, 0);
}

}  // namespace
}  // namespace alig
