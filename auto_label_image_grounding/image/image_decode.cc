#include "auto_label_image_grounding/image/image_decode.h"

#include <climits>
#include <string_view>
#include <vector>

#include <fmt/core.h>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "auto_label_image_grounding/image/gif_frame.h"
#include "auto_label_image_grounding/image/image_repack.h"

namespace alig {
namespace {

int load_flags(int shrink) {
  switch (shrink) {
    case 8:
      return cv::IMREAD_REDUCED_COLOR_8 | cv::IMREAD_IGNORE_ORIENTATION;
    case 4:
      return cv::IMREAD_REDUCED_COLOR_4 | cv::IMREAD_IGNORE_ORIENTATION;
    case 2:
      return cv::IMREAD_REDUCED_COLOR_2 | cv::IMREAD_IGNORE_ORIENTATION;
    default:
      return cv::IMREAD_UNCHANGED;  // implies IMREAD_IGNORE_ORIENTATION
  }
}

Try<cv::Mat> decode_with_opencv(std::string_view bytes, int flags) {
  if (bytes.size() > INT_MAX) return because("the file is larger than 2 GiB");
  // imdecode takes an InputArray: it does not write.
  const cv::Mat view(1, static_cast<int>(bytes.size()), CV_8UC1, const_cast<char*>(bytes.data()));
  cv::Mat out = cv::imdecode(view, flags);
  if (out.empty()) return because("its image data is damaged or of a kind that is not supported");
  return out;
}

Try<cv::Mat> decode_gif(std::string_view bytes) {
  auto frame = decode_first_gif_frame(bytes);
  if (!frame) return because(frame.error());
  const cv::Mat rgba(frame->height, frame->width, CV_8UC4, frame->rgba.data());
  cv::Mat out;
  cv::cvtColor(rgba, out, cv::COLOR_RGBA2BGRA);
  return out;
}

// The frame alone may cover a part of the canvas; the rest of it is transparent.
Try<cv::Mat> decode_animated_webp(std::string_view bytes, const ImageInfo& info) {
  const auto frame = first_webp_frame(bytes);
  if (!frame) return because(frame.error());
  auto pixels = decode_with_opencv(frame->webp, cv::IMREAD_UNCHANGED);
  if (!pixels) return pixels;
  if (pixels->channels() == 3) cv::cvtColor(*pixels, *pixels, cv::COLOR_BGR2BGRA);
  const cv::Rect place(frame->x, frame->y, pixels->cols, pixels->rows);
  cv::Mat canvas(info.stored_height, info.stored_width, CV_8UC4, cv::Scalar::all(0));
  if ((place & cv::Rect({0, 0}, canvas.size())) != place || pixels->channels() != 4) {
    return because("its first frame lies outside the canvas");
  }
  pixels->copyTo(canvas(place));
  return canvas;
}

// Colours come as they were before alpha was multiplied in.
Try<cv::Mat> decode_tiff(std::string bytes) {
  bytes = without_tiff_orientation(std::move(bytes));
  auto image = decode_with_opencv(bytes, cv::IMREAD_UNCHANGED);
  const bool multiplied = image && image->type() == CV_8UC4 && tiff_has_declared_alpha(bytes);
  if (!multiplied) return image;
  std::vector<cv::Mat> planes;
  cv::split(*image, planes);
  for (int i = 0; i < 3; ++i) cv::divide(planes[i], planes[3], planes[i], 255.0);
  cv::merge(planes, *image);
  return image;
}

Try<cv::Mat> decode_as_stored(std::string bytes, const ImageInfo& info, int shrink) {
  switch (info.format) {
    case ImageFormat::kJpeg:
      return decode_with_opencv(bytes, load_flags(shrink));
    case ImageFormat::kPng: {
      const auto png = keep_png_pixels(bytes);
      return png ? decode_with_opencv(*png, cv::IMREAD_UNCHANGED) : because(png.error());
    }
    case ImageFormat::kWebp:
      return info.plain ? decode_with_opencv(bytes, cv::IMREAD_UNCHANGED)
                        : decode_animated_webp(bytes, info);
    case ImageFormat::kGif:
      return decode_gif(bytes);
    case ImageFormat::kBmp:
      // Colour only: the fourth byte of a 32-bit pixel is mostly unused, and zero.
      return decode_with_opencv(bytes, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
    case ImageFormat::kTiff:
      return decode_tiff(std::move(bytes));
  }
  return because("its format is not supported");
}

Try<cv::Mat> to_eight_bits(cv::Mat image) {
  if (image.depth() == CV_16U) image.convertTo(image, CV_8U, 1.0 / 257.0);
  if (image.depth() != CV_8U) {
    return because("its samples are not unsigned integers of 8 or 16 bits");
  }
  const int channels = image.channels();
  if (channels != 1 && channels != 3 && channels != 4) {
    return because(fmt::format("it has {} channels", channels));
  }
  return image;
}

}  // namespace

int shrink_on_load(const ImageInfo& info, ImageSize target) {
  if (info.format != ImageFormat::kJpeg) return 1;
  for (const int factor : {8, 4, 2}) {
    const bool exact = info.stored_width % factor == 0 && info.stored_height % factor == 0;
    if (exact && info.stored_width / factor / 2 >= target.width &&
        info.stored_height / factor / 2 >= target.height) {
      return factor;
    }
  }
  return 1;
}

Try<cv::Mat> decode(std::string bytes, const ImageInfo& info, int shrink) {
  return decode_as_stored(std::move(bytes), info, shrink).and_then(to_eight_bits);
}

}  // namespace alig
