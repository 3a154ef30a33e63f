#include "auto_label_image_grounding/calls/image_demands.h"

#include <algorithm>

#include <fmt/core.h>

#include "auto_label_image_grounding/base/key_names.h"

namespace alig {

bool ImageDemands::allow(const VlmImage& image) const {
  const bool too_large = facts_.max_bytes > 0 && image.encoded_bytes > facts_.max_bytes;
  return !too_large && !facts_.refused.contains(image.mime_type);
}

void ImageDemands::on_accepted(const VlmImage& image) {
  constexpr int kEnough = 2;
  largest_taken_ = std::max(largest_taken_, image.encoded_bytes);
  facts_.taken.insert(image.mime_type);
  const std::string& type = image.converted_from;
  if (type.empty() || type == image.mime_type || facts_.taken.contains(type)) return;
  if (++converted_[type] < kEnough || !facts_.refused.insert(type).second) return;
  news_.push_back(
      fmt::format("the endpoint does not take {}: such images are converted from then on", type));
}

bool ImageDemands::on_too_large(const VlmImage& image) {
  constexpr std::uint64_t kSmall = 16 * 1024;
  const std::uint64_t bytes = image.encoded_bytes;
  if (bytes < kSmall) return false;
  const std::uint64_t guess = std::max(bytes / 2, std::min(largest_taken_, bytes / 10 * 9));
  if (facts_.max_bytes > 0 && facts_.max_bytes <= guess) return true;  // known already
  if (facts_.max_bytes == 0) {
    news_.push_back(
        fmt::format("the endpoint finds images too large (HTTP 413): they are "
                    "downscaled from then on; better so with {}",
                    key::kMaxImageSide));
  }
  facts_.max_bytes = guess;
  return true;
}

}  // namespace alig
