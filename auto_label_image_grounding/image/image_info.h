// What an image's header says: format, size, orientation, and whether the file is complete. Nothing
// is decoded; only some kilobytes of a large file are read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "auto_label_image_grounding/base/status.h"

namespace alig {

enum class ImageFormat { kJpeg, kPng, kWebp, kGif, kBmp, kTiff };

// "image/jpeg" and so on (IANA media types).
const char* mime_type(ImageFormat format);

struct ImageInfo {
  ImageFormat format = ImageFormat::kJpeg;
  int stored_width = 0;  // pixels, as in the file
  int stored_height = 0;
  // EXIF tag 0x0112, 1..8: from JPEG APP1, PNG eXIf, WebP EXIF or the TIFF tag; 1 if absent.
  int orientation = 1;
  int width = 0;  // pixels of the upright image: orientation applied
  int height = 0;
  // At most 8 bits per sample, grey, RGB(A) or palette, one frame: what every server can read.
  // False for CMYK, 16 bits, arithmetic-coded or lossless JPEG, animations, several TIFF pages.
  bool plain = true;
  // The pixels were stored lossily (JPEG, lossy WebP): doing so again costs little quality.
  bool lossy = false;
  std::uint64_t file_size = 0;  // bytes
};

struct ImageLimits {
  std::int64_t max_pixels = 200'000'000;  // data.max_image_pixels; 0 = no limit
};

// The format is detected from the bytes, never from the name. Errors, all of which name the path:
// kNotFound  there is no such file
// kIo        a directory, a device, or the file system refused
// kData      empty, not an image, truncated, no size, or more pixels than the limit
// Any bytes are safe: nothing outside the file is read and the work is bounded by its size.
// Thread-safe.
Result<ImageInfo> read_image_info(const std::filesystem::path& path,
                                  const ImageLimits& limits = {});

// The same for an image in memory; only kData.
Result<ImageInfo> read_image_info_from_bytes(std::string_view bytes,
                                             const ImageLimits& limits = {});

}  // namespace alig
