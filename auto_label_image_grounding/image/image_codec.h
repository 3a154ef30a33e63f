// Prepares an image for sending: in a size, an orientation and a format that the endpoint accepts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/image/image_info.h"
#include "auto_label_image_grounding/image/image_size.h"

namespace alig {

struct ImagePreparation {
  std::optional<ImageSize> size;   // exactly this, upright; unset: unchanged
  std::set<ImageFormat> accepted;  // formats that the endpoint accepts; empty: any
  // Limit of the encoded image (before base64) in bytes, 0 = none. Larger images are re-encoded
  // and, if that is not enough, downscaled step by step, even below `size`.
  std::uint64_t max_bytes = 0;
  bool encode_again = false;  // even if nothing would have to change: a server cannot read it

  bool accepts(ImageFormat format) const { return accepted.empty() || accepted.contains(format); }
};

struct PreparedImage {
  ImageFormat format = ImageFormat::kJpeg;   // as it will be sent
  ImageSize size;                            // upright pixels
  bool original = true;                      // nothing had to change: send the file's bytes
  std::shared_ptr<const std::string> bytes;  // set only if !original
  // max_bytes forced a smaller image: boxes in pixels refer to `size`, not to the requested one.
  bool downscaled_for_limit = false;
};

// False: the file can be sent as it is. Pure.
bool needs_change(const ImageInfo& info, const ImagePreparation& preparation);

// `info` must come from read_image_info for the same file. If needs_change() is false the file is
// not even opened. Otherwise: EXIF orientation is applied to the pixels, 16-bit samples become
// 8-bit ones, CMYK becomes RGB, an animation is reduced to its first frame; metadata and colour
// profiles are dropped. Lossy sources are stored as JPEG of quality 95, others as PNG while they
// are small (4 megapixels); transparency is kept if the format supports it, else the background is
// white.
//
// Errors name the path: kData (damaged, of an unsupported kind, does not fit max_bytes), kNotFound
// and kIo as read_file, kInvalidArgument if `preparation` makes no sense. Throws std::runtime_error
// if the part that decodes images cannot be loaded (image_change.h). Thread-safe; works only on the
// caller's thread.
Result<PreparedImage> prepare_image(const std::filesystem::path& path, const ImageInfo& info,
                                    const ImagePreparation& preparation);

}  // namespace alig
