// Image headers, from memory and from a file: both must say the same.
#include <string>

#include "auto_label_image_grounding/image/image_info.h"
#include "tests/fuzz/fuzz_support.h"

namespace alig::fuzz {
namespace {

void check_info(const ImageInfo& info, std::size_t file_size, const ImageLimits& limits) {
  require(info.stored_width > 0 && info.stored_height > 0, "an image has an area");
  require(1 <= info.orientation && info.orientation <= 8, "an orientation is one of eight");
  const bool turned = info.orientation >= 5;
  require(info.width == (turned ? info.stored_height : info.stored_width), "the width is upright");
  require(info.height == (turned ? info.stored_width : info.stored_height),
          "the height is upright");
  require(info.file_size == file_size, "the file's size is told");
  const auto pixels = static_cast<std::int64_t>(info.width) * info.height;
  require(limits.max_pixels == 0 || pixels <= limits.max_pixels, "the limit of pixels holds");
}

bool equal(const ImageInfo& a, const ImageInfo& b) {
  return a.format == b.format && a.stored_width == b.stored_width &&
         a.stored_height == b.stored_height && a.orientation == b.orientation &&
         a.width == b.width && a.height == b.height && a.plain == b.plain && a.lossy == b.lossy &&
         a.file_size == b.file_size;
}

void run(std::string_view bytes) {
  const ImageLimits limits;
  const auto from_bytes = read_image_info_from_bytes(bytes, limits);
  const MemoryFile file(bytes);
  const auto from_file = read_image_info(file.path(), limits);
  require(from_bytes.has_value() == from_file.has_value(), "memory and file agree");
  if (!from_bytes) {
    require(from_bytes.error().kind == ErrorKind::kData, "a bad image is kData");
    require(from_file.error().kind == ErrorKind::kData, "a bad image in a file is kData");
    return;
  }
  require(equal(*from_bytes, *from_file), "memory and file say the same");
  check_info(*from_bytes, bytes.size(), limits);
  const auto unlimited = read_image_info_from_bytes(bytes, {0});
  require(unlimited && equal(*unlimited, *from_bytes), "a limit that is kept changes nothing");
}

}  // namespace
}  // namespace alig::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  alig::fuzz::run(alig::fuzz::as_text(data, size));
  return 0;
}
