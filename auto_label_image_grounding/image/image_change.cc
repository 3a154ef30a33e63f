#include "auto_label_image_grounding/image/image_change.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include <fmt/core.h>
#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "auto_label_image_grounding/base/files.h"
#include "auto_label_image_grounding/image/image_decode.h"

namespace alig {
namespace {

// OpenCV's state of the whole process: one thread a call (the caller has a pool), and silence, as
// what it prints comes back as our error.
void configure_opencv_once() {
  static std::once_flag once;
  std::call_once(once, [] {
    cv::setNumThreads(1);
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
    cv::redirectError([](int, const char*, const char*, const char*, int, void*) { return 0; });
  });
}

bool on_its_side(const ImageInfo& info) { return info.orientation >= 5; }

ImageSize stored_layout(const ImageInfo& info, ImageSize upright) {
  return on_its_side(info) ? ImageSize{upright.height, upright.width} : upright;
}

// ---- pixels ----

cv::Mat drop_opaque_alpha(cv::Mat image) {
  if (image.channels() != 4) return image;
  cv::Mat alpha;
  cv::extractChannel(image, alpha, 3);
  double lowest = 0;
  cv::minMaxLoc(alpha, &lowest);
  if (lowest == 255) cv::cvtColor(image, image, cv::COLOR_BGRA2BGR);
  return image;
}

int interpolation_for(const cv::Mat& image, cv::Size target) {
  const bool larger = target.width > image.cols || target.height > image.rows;
  return larger ? cv::INTER_CUBIC : cv::INTER_AREA;
}

// Colours weigh as much as they can be seen, or hidden ones would bleed into the edges.
cv::Mat resize_with_alpha(const cv::Mat& image, cv::Size target) {
  std::vector<cv::Mat> planes;
  cv::split(image, planes);
  cv::Mat alpha;
  cv::resize(planes[3], alpha, target, 0, 0, interpolation_for(image, target));
  for (int i = 0; i < 3; ++i) {
    cv::Mat weighted;
    cv::multiply(planes[i], planes[3], weighted, 1.0, CV_32F);
    cv::resize(weighted, weighted, target, 0, 0, interpolation_for(image, target));
    cv::divide(weighted, alpha, planes[i], 1.0, CV_8U);
  }
  planes[3] = alpha;
  cv::Mat out;
  cv::merge(planes, out);
  return out;
}

cv::Mat resized(const cv::Mat& image, ImageSize size) {
  const cv::Size target(size.width, size.height);
  if (target == image.size()) return image;
  if (image.channels() == 4) return resize_with_alpha(image, target);
  cv::Mat out;
  cv::resize(image, out, target, 0, 0, interpolation_for(image, target));
  return out;
}

// What EXIF 2.32 (tag 0x0112) says about the place of row 0 and column 0, undone.
cv::Mat upright(const cv::Mat& stored, int orientation) {
  constexpr int kFlipRows = 0;
  constexpr int kFlipColumns = 1;
  cv::Mat out;
  switch (orientation) {
    case 2:
      cv::flip(stored, out, kFlipColumns);
      return out;
    case 3:
      cv::rotate(stored, out, cv::ROTATE_180);
      return out;
    case 4:
      cv::flip(stored, out, kFlipRows);
      return out;
    case 5:
      cv::transpose(stored, out);
      return out;
    case 6:
      cv::rotate(stored, out, cv::ROTATE_90_CLOCKWISE);
      return out;
    case 7:
      cv::transpose(stored, out);
      cv::rotate(out, out, cv::ROTATE_180);
      return out;
    case 8:
      cv::rotate(stored, out, cv::ROTATE_90_COUNTERCLOCKWISE);
      return out;
    default:
      return stored;
  }
}

cv::Mat flattened_on_white(const cv::Mat& image) {
  if (image.channels() != 4) return image;
  std::vector<cv::Mat> planes;
  cv::split(image, planes);
  cv::Mat background;
  cv::subtract(cv::Scalar::all(255), planes[3], background);
  for (int i = 0; i < 3; ++i) {
    cv::multiply(planes[i], planes[3], planes[i], 1.0 / 255.0);
    cv::add(planes[i], background, planes[i]);
  }
  planes.pop_back();
  cv::Mat out;
  cv::merge(planes, out);
  return out;
}

// ---- encoding ----

constexpr int kQuality = 95;

// Formats to try, the best one first.
std::vector<ImageFormat> target_formats(const cv::Mat& image, const ImageInfo& info,
                                        const ImagePreparation& preparation) {
  constexpr double kSmallImage = 4e6;  // pixels; beyond it a PNG costs too long an upload
  constexpr int kMaxJpegSide = 65'500;
  constexpr int kMaxWebpSide = 16'383;
  using enum ImageFormat;
  const bool has_alpha = image.channels() == 4;
  const double pixels = static_cast<double>(image.cols) * image.rows;
  const bool as_jpeg = !has_alpha && (info.lossy || pixels > kSmallImage);
  std::vector<ImageFormat> out = as_jpeg     ? std::vector{kJpeg, kWebp, kPng}
                                 : has_alpha ? std::vector{kPng, kWebp, kJpeg}
                                             : std::vector{kPng, kJpeg, kWebp};
  const int side = std::max(image.cols, image.rows);
  std::erase_if(out, [&](ImageFormat format) {
    return !preparation.accepts(format) || (format == kJpeg && side > kMaxJpegSide) ||
           (format == kWebp && side > kMaxWebpSide);
  });
  return out;
}

std::string encode(const cv::Mat& image, ImageFormat format) {
  // Known from OpenCV 4.7 on, skipped by older ones: full colour resolution.
  constexpr int kJpegSamplingFactor = 7;
  constexpr int kSampling444 = 0x111111;
  constexpr int kPngLevel = 4;  // 6 takes twice as long for some hundredths of the size
  std::vector<unsigned char> out;
  if (format == ImageFormat::kJpeg) {
    cv::imencode(".jpg", flattened_on_white(image), out,
                 {cv::IMWRITE_JPEG_QUALITY, kQuality, kJpegSamplingFactor, kSampling444});
  } else if (format == ImageFormat::kPng) {
    cv::imencode(".png", image, out, {cv::IMWRITE_PNG_COMPRESSION, kPngLevel});
  } else {
    cv::imencode(".webp", image, out, {cv::IMWRITE_WEBP_QUALITY, kQuality});
  }
  return {out.begin(), out.end()};
}

struct Encoded {
  ImageFormat format = ImageFormat::kJpeg;
  ImageSize size;
  std::string bytes;
  bool downscaled = false;
};

ImageSize scaled(ImageSize size, double factor) {
  const auto scale = [factor](int side) { return std::max(1, cvRound(side * factor)); };
  return {scale(size.width), scale(size.height)};
}

// Always from the full image: repeated resizing would blur it.
Try<Encoded> downscale_until_it_fits(const cv::Mat& image, Encoded last, std::uint64_t max_bytes) {
  constexpr int kSmallestSide = 32;  // nothing can be grounded in less
  const ImageSize full{image.cols, image.rows};
  double factor = 1;
  while (last.bytes.size() > max_bytes) {
    const double excess = static_cast<double>(max_bytes) / static_cast<double>(last.bytes.size());
    factor *= std::clamp(std::sqrt(excess) * 0.97, 0.5, 0.95);
    last.size = scaled(full, factor);
    if (std::max(last.size.width, last.size.height) < kSmallestSide) {
      return because(
          fmt::format("it cannot be stored in {} bytes, the limit of a request", max_bytes));
    }
    last.bytes = encode(resized(image, last.size), last.format);
    last.downscaled = true;
  }
  return last;
}

Try<Encoded> encode_within_limit(const cv::Mat& image, const std::vector<ImageFormat>& formats,
                                 std::uint64_t max_bytes) {
  std::optional<Encoded> smallest;
  for (const ImageFormat format : formats) {
    const bool lossless = format == ImageFormat::kPng;
    if (smallest && lossless) continue;
    Encoded now{format, {image.cols, image.rows}, encode(image, format)};
    if (now.bytes.empty()) continue;
    if (max_bytes == 0 || now.bytes.size() <= max_bytes) return now;
    smallest = std::move(now);
    if (!lossless) break;  // other lossy formats save too little; fewer pixels will
  }
  if (!smallest) return because("it cannot be stored in a format that the endpoint takes");
  return downscale_until_it_fits(image, std::move(*smallest), max_bytes);
}

// ---- all of it ----

// OpenCV would throw, and print, for what is beyond its own limits.
bool too_large_for_opencv(const ImageInfo& info) {
  constexpr int kMaxSide = 1 << 20;
  constexpr std::int64_t kMaxPixels = std::int64_t{1} << 30;
  return info.stored_width > kMaxSide || info.stored_height > kMaxSide ||
         std::int64_t{info.stored_width} * info.stored_height > kMaxPixels;
}

Try<Encoded> change(std::string bytes, const ImageInfo& info, const ImagePreparation& preparation) {
  if (too_large_for_opencv(info)) return because("it has more than 2^30 pixels, or a side of 2^20");
  const ImageSize target =
      stored_layout(info, preparation.size.value_or(ImageSize{info.width, info.height}));
  const int shrink = shrink_on_load(info, target);
  auto image = decode(std::move(bytes), info, shrink);
  if (!image) return because(image.error());
  if (image->cols != info.stored_width / shrink || image->rows != info.stored_height / shrink) {
    return because("its size differs from what its header said; was it replaced meanwhile?");
  }
  const cv::Mat ready =
      upright(resized(drop_opaque_alpha(std::move(*image)), target), info.orientation);
  return encode_within_limit(ready, target_formats(ready, info, preparation),
                             preparation.max_bytes);
}

Try<Encoded> change_without_exceptions(std::string bytes, const ImageInfo& info,
                                       const ImagePreparation& preparation) {
  try {
    configure_opencv_once();
    return change(std::move(bytes), info, preparation);
  } catch (const cv::Exception& e) {
    return because(fmt::format("it cannot be decoded ({})", e.err));
  } catch (const std::bad_alloc&) {
    return because(fmt::format("there is not enough memory for its {} x {} pixels",
                               info.stored_width, info.stored_height));
  }
}

Status check(const ImagePreparation& preparation) {
  const auto& size = preparation.size;
  if (size && (size->width < 1 || size->height < 1)) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("cannot send an image of {} x {} pixels", size->width, size->height));
  }
  return {};
}

}  // namespace

Result<PreparedImage> change_image(const std::filesystem::path& path, const ImageInfo& info,
                                   const ImagePreparation& preparation) {
  if (auto status = check(preparation); !status) return fail_at(path.string(), status.error());
  auto bytes = read_file(path);
  if (!bytes) return tl::unexpected(bytes.error());
  auto changed = change_without_exceptions(std::move(*bytes), info, preparation);
  if (!changed) {
    return fail(
        ErrorKind::kData,
        fmt::format("{}: cannot prepare this {} image: {}; convert it to an 8-bit RGB JPEG or PNG",
                    path.string(), mime_type(info.format), changed.error()));
  }
  return PreparedImage{changed->format, changed->size, false,
                       std::make_shared<const std::string>(std::move(changed->bytes)),
                       changed->downscaled};
}

}  // namespace alig
