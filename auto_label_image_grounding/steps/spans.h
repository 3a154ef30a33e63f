// Character spans that are correct, or absent. Models count badly: a model's span is only a hint.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auto_label_image_grounding/data/annotation.h"

namespace alig {

// Finds spans in one caption; remembers which occurrences of a text are taken, so that a phrase
// listed twice gets two different spans.
class SpanFinder {
 public:
  explicit SpanFinder(std::string_view caption);

  // The free occurrence of `text` (up to letter case, on word boundaries, of whole characters) that
  // is nearest to the hint, or the first one without a hint; nothing if none is left. Half-open, in
  // code points.
  std::optional<CharSpan> take(std::string_view text,
                               const std::optional<std::pair<std::int64_t, std::int64_t>>& hint);
  // Marks the place as taken by `text`, so that take() does not return it for the same text.
  void reserve(std::string_view text, const CharSpan& span);

 private:
  bool stands_at(const std::vector<char32_t>& text, std::size_t begin) const;
  bool inside_word(std::size_t boundary) const;

  std::vector<char32_t> caption_;  // lower case
  std::vector<bool> character_starts_;
  std::vector<std::pair<std::vector<char32_t>, CharSpan>> taken_;
};

}  // namespace alig
