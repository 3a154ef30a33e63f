#include "auto_label_image_grounding/image/image_codec.h"

#include "auto_label_image_grounding/image/image_change.h"

namespace alig {

bool needs_change(const ImageInfo& info, const ImagePreparation& preparation) {
  const bool fits = preparation.max_bytes == 0 || info.file_size <= preparation.max_bytes;
  const bool right_size =
      !preparation.size || *preparation.size == ImageSize{info.width, info.height};
  return preparation.encode_again || !(fits && right_size && info.plain && info.orientation == 1 &&
                                       preparation.accepts(info.format));
}

Result<PreparedImage> prepare_image(const std::filesystem::path& path, const ImageInfo& info,
                                    const ImagePreparation& preparation) {
  if (needs_change(info, preparation)) return find_change_image()(path, info, preparation);
  return PreparedImage{info.format, {info.width, info.height}, true, nullptr, false};
}

}  // namespace alig
