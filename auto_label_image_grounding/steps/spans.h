// Character spans that are true, or absent. Models count badly: a model's span is a hint alone.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auto_label_image_grounding/data/annotation.h"

namespace alig {

// Finds spans in one caption; remembers which occurrence of a text was given away, so that the same
// phrase listed twice gets two different spans.
class SpanFinder {
 public:
  explicit SpanFinder(std::string_view caption);

  // The free occurrence of `text` (up to letter case, on word boundaries, of whole characters) that
  // is nearest to the hint, or the first one without a hint; nothing where none is left. Half-open,
  // in code points.
  std::optional<CharSpan> take(std::string_view text,
                               const std::optional<std::pair<std::int64_t, std::int64_t>>& hint);
  // Gives the place away to `text`, so that take() does not find it for the same text.
  void reserve(std::string_view text, const CharSpan& span);

 private:
  bool stands_at(const std::vector<char32_t>& text, std::size_t begin) const;
  bool inside_word(std::size_t boundary) const;

  std::vector<char32_t> caption_;  // lower case
  std::vector<bool> character_starts_;
  std::vector<std::pair<std::vector<char32_t>, CharSpan>> taken_;
};

}  // namespace alig
