#include "auto_label_image_grounding/data/char_span.h"

#include <algorithm>

#include "auto_label_image_grounding/base/text.h"

namespace alig {

bool is_true_span(const CharSpan& span, const std::vector<char32_t>& lower_caption,
                  std::string_view text) {
  const auto size = static_cast<std::int64_t>(lower_caption.size());
  if (span.begin < 0 || span.end > size || span.begin >= span.end) return false;
  const auto wanted = lower_code_points(to_code_points(text));
  return std::equal(lower_caption.begin() + span.begin, lower_caption.begin() + span.end,
                    wanted.begin(), wanted.end());
}

}  // namespace alig
