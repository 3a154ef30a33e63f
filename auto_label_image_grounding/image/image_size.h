#pragma once

namespace alig {

// Of an upright image (EXIF orientation applied), in pixels.
struct ImageSize {
  int width = 0;
  int height = 0;
  bool operator==(const ImageSize&) const = default;
};

}  // namespace alig
