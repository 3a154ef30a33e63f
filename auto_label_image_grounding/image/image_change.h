// The part of image_codec.h that needs OpenCV. Debian's OpenCV drags in 140 shared libraries: if
// linked dynamically, this part is a module that is loaded when the first image must be decoded, so
// that the program starts in milliseconds and without their memory.
#pragma once

#include <filesystem>

#include "auto_label_image_grounding/image/image_codec.h"

namespace alig {

// prepare_image() for an image that must be changed.
Result<PreparedImage> change_image(const std::filesystem::path& path, const ImageInfo& info,
                                   const ImagePreparation& preparation);

using ChangeImage = Result<PreparedImage> (*)(const std::filesystem::path&, const ImageInfo&,
                                              const ImagePreparation&);

// change_image(), linked or loaded. Throws std::runtime_error if it cannot be loaded. Thread-safe.
ChangeImage find_change_image();

// What the module exports: the build of the program that it belongs to, and the function.
constexpr const char* kChangeImageModule = "alig_image_change.so";
constexpr const char* kChangeImageSymbol = "alig_image_change";
struct ChangeImageModule {
  const char* version;
  const char* interface;  // a digest of the headers and compiler used for both sides
  ChangeImage change_image;
};

}  // namespace alig
