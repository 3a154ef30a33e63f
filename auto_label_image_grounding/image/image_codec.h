// An image made ready for sending: in a size, an orientation and a format that the endpoint takes.
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
  std::optional<ImageSize> size;   // exactly this, upright; unset: as it is
  std::set<ImageFormat> accepted;  // formats that the endpoint takes; empty: any
  // Limit of the encoded image (before base64) in bytes, 0 = none. What is larger is stored again
  // and, where that is not enough, downscaled step by step, below `size` too.
  std::uint64_t max_bytes = 0;

  bool accepts(ImageFormat format) const { return accepted.empty() || accepted.contains(format); }
};

struct PreparedImage {
  ImageFormat format = ImageFormat::kJpeg;   // of what is to be sent
  ImageSize size;                            // upright pixels
  bool original = true;                      // nothing had to change: send the file's own bytes
  std::shared_ptr<const std::string> bytes;  // set only where !original
  // max_bytes forced a smaller image: boxes in pixels refer to `size`, not to what was asked.
  bool downscaled_for_limit = false;
};

// False: the file can be sent as it is. Pure.
bool needs_change(const ImageInfo& info, const ImagePreparation& preparation);

// `info` must come from read_image_info for the same file. Where needs_change() is false the file
// is not even opened. Otherwise: EXIF orientation is applied to the pixels, 16-bit samples become
// 8-bit ones, CMYK becomes RGB, an animation its first frame; metadata and colour profiles are
// dropped. Lossy sources are stored as JPEG of quality 95, others as PNG while they are small (4
// megapixels); transparency stays where the format has it, else the background is white.
//
// Errors name the path: kData (damaged, of an unsupported kind, does not fit max_bytes), kNotFound
// and kIo as read_file, kInvalidArgument where `preparation` makes no sense.
// Throws std::runtime_error where the part that decodes images cannot be loaded (image_change.h).
// Thread-safe; each call works on the caller's thread alone.
Result<PreparedImage> prepare_image(const std::filesystem::path& path, const ImageInfo& info,
                                    const ImagePreparation& preparation);

}  // namespace alig
