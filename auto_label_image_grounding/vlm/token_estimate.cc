#include "auto_label_image_grounding/vlm/token_estimate.h"

#include <algorithm>

namespace alig {

double estimate_image_tokens(const ModelFamily& family, const ImageSize& sent) {
  // Servers cap the largest images by resizing them; small ones cost a least number.
  constexpr double kMin = 64, kMax = 16384;
  const double pixels = static_cast<double>(sent.width) * sent.height;
  return std::clamp(pixels / family.pixels_per_token, kMin, kMax);
}

double estimate_tokens(const VlmQuery& query) {
  constexpr double kAnswer = 300;
  return estimate_text_tokens(static_cast<double>(query.prompt.size())) + kAnswer +
         (query.image ? query.image->tokens : 0);
}

double estimate_text_tokens(double characters) {
  constexpr double kCharactersPerToken = 4;
  return characters / kCharactersPerToken;
}

}  // namespace alig
