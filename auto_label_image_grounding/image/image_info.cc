#include "auto_label_image_grounding/image/image_info.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include <fmt/core.h>

#include "auto_label_image_grounding/base/key_names.h"
#include "auto_label_image_grounding/image/image_headers.h"

namespace alig {
namespace {

constexpr std::size_t kSniffed = 32;
using Head = std::string_view;  // the first kSniffed bytes, fewer in a shorter file

bool is_bmp(Head head) {
  constexpr std::array<std::uint32_t, 7> kHeaderSizes{12, 40, 52, 56, 64, 108, 124};
  constexpr std::size_t kSizeOffset = 14;
  if (head.size() < kSizeOffset + 4 || !head.starts_with("BM")) return false;
  const auto* p = reinterpret_cast<const std::uint8_t*>(head.data()) + kSizeOffset;
  return std::find(kHeaderSizes.begin(), kHeaderSizes.end(), load_le32(p)) != kHeaderSizes.end();
}

bool is_webp(Head head) { return head.starts_with("RIFF") && head.substr(0, 12).ends_with("WEBP"); }

std::optional<ImageFormat> sniff(Head head) {
  using namespace std::string_view_literals;
  if (head.starts_with("\xFF\xD8\xFF"sv)) return ImageFormat::kJpeg;
  if (head.starts_with("\x89PNG\r\n\x1A\n"sv)) return ImageFormat::kPng;
  if (is_webp(head)) return ImageFormat::kWebp;
  if (head.starts_with("GIF87a") || head.starts_with("GIF89a")) return ImageFormat::kGif;
  if (head.starts_with("II*\0"sv) || head.starts_with("MM\0*"sv)) return ImageFormat::kTiff;
  if (is_bmp(head)) return ImageFormat::kBmp;
  return std::nullopt;
}

// What else people have in image folders; in the order of the checks.
std::string describe_stranger(Head head) {
  using namespace std::string_view_literals;
  struct Row {
    std::size_t offset;
    std::string_view bytes;
    const char* what;
  };
  constexpr Row kRows[] = {
      {4, "ftypavif"sv, "it is an AVIF image"},
      {4, "ftyphei"sv, "it is a HEIC image"},
      {4, "ftypmif1"sv, "it is a HEIF image"},
      {4, "ftyp"sv, "it is a video"},
      {0, "II+\0"sv, "it is a BigTIFF image"},
      {0, "MM\0+"sv, "it is a BigTIFF image"},
      {0, "\0\0\0\x0CjP"sv, "it is a JPEG 2000 image"},
      {0, "8BPS"sv, "it is a Photoshop file"},
      {0, "version https://git-lfs"sv, "it is a Git LFS pointer, not the file itself"},
      {0, "<"sv, "it is a text (HTML, XML or SVG), perhaps a failed download"},
      {0, "{"sv, "it is a text (JSON), perhaps a failed download"},
      {0, "%PDF"sv, "it is a PDF document"},
      {0, "PK\x03\x04"sv, "it is a ZIP archive"},
      {0, "\x1F\x8B"sv, "it is compressed with gzip"},
  };
  for (const Row& row : kRows) {
    if (head.size() > row.offset && head.substr(row.offset).starts_with(row.bytes)) return row.what;
  }
  if (head.find_first_not_of('\0') == Head::npos) return "it holds zeros only, no image";
  return "its first bytes belong to no image format known here";
}

const char* name_of(ImageFormat format) {
  switch (format) {
    case ImageFormat::kJpeg:
      return "JPEG";
    case ImageFormat::kPng:
      return "PNG";
    case ImageFormat::kWebp:
      return "WebP";
    case ImageFormat::kGif:
      return "GIF";
    case ImageFormat::kBmp:
      return "BMP";
    case ImageFormat::kTiff:
      return "TIFF";
  }
  return "unknown";
}

HeaderResult read_header(ImageFormat format, ByteSource& source) {
  switch (format) {
    case ImageFormat::kJpeg:
      return read_jpeg_header(source);
    case ImageFormat::kPng:
      return read_png_header(source);
    case ImageFormat::kWebp:
      return read_webp_header(source);
    case ImageFormat::kGif:
      return read_gif_header(source);
    case ImageFormat::kBmp:
      return read_bmp_header(source);
    case ImageFormat::kTiff:
      return read_tiff_header(source);
  }
  return tl::unexpected<std::string>("its format is unknown");
}

// The message of an image that cannot be used; empty where the size is fine.
std::string complaint_about_size(const HeaderFacts& facts, const ImageLimits& limits) {
  constexpr std::uint64_t kMaxSide = std::numeric_limits<std::int32_t>::max();
  if (facts.width == 0 || facts.height == 0 || facts.width > kMaxSide || facts.height > kMaxSide) {
    return fmt::format("its header gives an impossible size, {} x {} pixels; replace the file",
                       facts.width, facts.height);
  }
  const std::uint64_t pixels = facts.width * facts.height;  // < 2^62
  if (limits.max_pixels > 0 && pixels > static_cast<std::uint64_t>(limits.max_pixels)) {
    return fmt::format(
        "{} x {} pixels are more than {} ({}) allows; downscale the image or raise the key "
        "(0 = no limit)",
        facts.width, facts.height, key::kMaxImagePixels, limits.max_pixels);
  }
  return {};
}

ImageInfo to_info(ImageFormat format, const HeaderFacts& facts, std::uint64_t file_size) {
  ImageInfo out;
  out.format = format;
  out.stored_width = static_cast<int>(facts.width);
  out.stored_height = static_cast<int>(facts.height);
  out.orientation = facts.orientation;
  const bool on_its_side = facts.orientation >= 5;
  out.width = on_its_side ? out.stored_height : out.stored_width;
  out.height = on_its_side ? out.stored_width : out.stored_height;
  out.plain = facts.plain;
  out.lossy = facts.lossy;
  out.file_size = file_size;
  return out;
}

tl::expected<ImageInfo, std::string> read_info(ByteSource& source, const ImageLimits& limits) {
  if (source.size() == 0) return tl::unexpected<std::string>("the file is empty; replace it");
  std::array<std::uint8_t, kSniffed> first{};
  const std::size_t count = std::min<std::uint64_t>(kSniffed, source.size());
  source.read(0, std::span(first).first(count));
  const Head head(reinterpret_cast<const char*>(first.data()), count);
  const auto format = sniff(head);
  if (!format) {
    return tl::unexpected(
        fmt::format("not a usable image: {}; convert it to JPEG or PNG", describe_stranger(head)));
  }
  const auto facts = read_header(*format, source);
  if (!facts) {
    return tl::unexpected(fmt::format("unusable {} image: {}; fetch or export it again",
                                      name_of(*format), facts.error()));
  }
  if (std::string complaint = complaint_about_size(*facts, limits); !complaint.empty()) {
    return tl::unexpected(std::move(complaint));
  }
  return to_info(*format, *facts, source.size());
}

}  // namespace

const char* mime_type(ImageFormat format) {
  switch (format) {
    case ImageFormat::kJpeg:
      return "image/jpeg";
    case ImageFormat::kPng:
      return "image/png";
    case ImageFormat::kWebp:
      return "image/webp";
    case ImageFormat::kGif:
      return "image/gif";
    case ImageFormat::kBmp:
      return "image/bmp";
    case ImageFormat::kTiff:
      return "image/tiff";
  }
  return "application/octet-stream";
}

Result<ImageInfo> read_image_info(const std::filesystem::path& path, const ImageLimits& limits) {
  auto source = FileSource::open(path);
  if (!source) return tl::unexpected(source.error());
  auto info = read_info(**source, limits);
  // A failing disk looks like a short file: say what it is.
  if (const int code = (*source)->io_error(); code != 0) {
    return fail(ErrorKind::kIo,
                fmt::format("cannot read {}: {}", path.string(), std::strerror(code)));
  }
  if (!info) return fail(ErrorKind::kData, path.string() + ": " + info.error());
  return *info;
}

Result<ImageInfo> read_image_info_from_bytes(std::string_view bytes, const ImageLimits& limits) {
  MemorySource source(bytes);
  auto info = read_info(source, limits);
  if (!info) return fail(ErrorKind::kData, "image in memory: " + info.error());
  return *info;
}

}  // namespace alig
